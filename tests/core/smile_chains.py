"""Priced chains for tests of smiles: from columns, from a known SVI smile, and from files of real markets."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from moneyness.core.priced import ExpiryRows, OptionRows, PricedChains, UnderlyingRows
from signals.greeks.core.conventions import ForwardSource
from signals.greeks.core.engine import implied_greeks, model_greeks
from signals.greeks.core.forward import Forward
from signals.greeks.core.parity import ParityColumns, parity_forwards
from signals.greeks.core.snapshot import UNKNOWN_MARKET
from signals.greeks.core.status import Status

DATA = Path(__file__).parents[2] / "../shared/data"


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """One expiry's options as the caller has them, in any order; the forward by parity if it is NaN."""

    years: float
    strike: np.ndarray
    sign: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    last: np.ndarray
    volume: np.ndarray
    forward: float = np.nan
    rate: float = 0.0
    underlying: int = 0
    american: bool = False

    def ordered(self) -> "Expiry":
        order = np.lexsort((-self.sign, self.strike))
        columns = ("strike", "sign", "bid", "ask", "last", "volume")
        return replace(self, **{name: np.asarray(getattr(self, name), float)[order] for name in columns})


def by_parity(expiry: Expiry) -> Forward:
    """The forward of ordered options."""
    same = np.flatnonzero((expiry.strike[1:] == expiry.strike[:-1]) & (expiry.sign[1:] < expiry.sign[:-1]))
    price, sided = prices(expiry)
    spread = np.where(sided, expiry.ask - expiry.bid, np.nan)
    unknown = np.full(len(same), np.nan)
    columns = ParityColumns(
        strike=expiry.strike[same],
        call=price[same],
        put=price[same + 1],
        call_spread=spread[same],
        put_spread=spread[same + 1],
        call_volume=expiry.volume[same],
        put_volume=expiry.volume[same + 1],
        call_time=unknown,
        put_time=unknown,
    )
    years = np.array([expiry.years])
    (found,) = parity_forwards(columns, np.array([len(same)]), rate=expiry.rate, expiry_years=years)
    return Forward(found.value, ForwardSource.PARITY, found)


def prices(expiry: Expiry) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        sided = (expiry.bid > 0) & (expiry.ask >= expiry.bid)
        last = np.where(expiry.last > 0, expiry.last, np.nan)
        return np.where(sided, 0.5 * (expiry.bid + expiry.ask), last), sided


def priced(expiries: list[Expiry]) -> PricedChains:
    """Price the options on their forwards (Black-76). Expiries are ordered by underlying and time."""
    parts = [expiry.ordered() for expiry in expiries]
    forwards = [
        Forward(part.forward, ForwardSource.OVERRIDE) if np.isfinite(part.forward) else by_parity(part)
        for part in parts
    ]
    group = np.repeat(np.arange(len(parts)), [len(part.strike) for part in parts])
    strike, sign, bid, ask, last, volume = (
        np.concatenate([getattr(part, name) for part in parts]) if parts else np.zeros(0)
        for name in ("strike", "sign", "bid", "ask", "last", "volume")
    )
    price, sided = (np.concatenate(each) for each in zip(*map(prices, parts), strict=True)) if parts else ([], [])
    years = np.array([part.years for part in parts])
    rate = np.array([part.rate for part in parts])
    forward = np.array([each.value for each in forwards])

    def implied(of: np.ndarray) -> np.ndarray:
        return implied_greeks(
            price=of,
            underlying=forward[group],
            strike=strike,
            expiry_years=years[group],
            rate=rate[group],
            dividend_yield=0.0,
            sign=sign,
            black76=True,
        )

    greeks = implied(price)
    sides = []
    for of in (bid, ask):
        side = implied(np.where(sided, of, np.nan))
        sides.append(np.where(side.status == Status.OK, side.implied_volatility, np.nan))
    unknown = np.full(len(strike), np.nan)
    count = 1 + max((part.underlying for part in parts), default=0)
    return PricedChains(
        underlyings=UnderlyingRows(
            key=[f"NSE@U{i}" for i in range(count)],
            at=np.zeros(count),
            spot=np.ones(count),
            black76=np.ones(count, np.bool_),
        ),
        expiries=ExpiryRows(
            underlying=np.array([part.underlying for part in parts], np.intp),
            expiry=739_000 + np.arange(len(parts)),
            years=years,
            forward=forward,
            rate=rate,
            markets=[
                replace(UNKNOWN_MARKET, forward=each, american=part.american)
                for each, part in zip(forwards, parts, strict=True)
            ],
        ),
        options=OptionRows(
            group=group,
            strike=strike,
            sign=sign,
            bid=bid,
            ask=ask,
            last=last,
            volume=volume,
            open_interest=unknown,
            open_interest_before=unknown,
            price=price,
            price_source=np.where(np.isnan(price), -1, np.where(sided, 0, 1)).astype(np.int8),
            age=unknown,
            status=greeks.status,
            implied_volatility=greeks.implied_volatility,
            bid_volatility=sides[0],
            ask_volatility=sides[1],
            underlying_used=forward[group],
            delta=greeks.delta,
            gamma=greeks.gamma,
            theta=greeks.theta,
            vega=greeks.vega,
            rho=greeks.rho,
        ),
    )


def from_smile(
    smile: Callable[[np.ndarray], np.ndarray],
    *,
    years: float,
    forward: float = 100.0,
    log_moneyness: np.ndarray | None = None,
    spread: float = 0.0,
    noise: np.ndarray | float = 0.0,
    rate: float = 0.0,
    underlying: int = 0,
) -> Expiry:
    """Both options of each strike at total variance `smile(k)`; `spread` and `noise` are of volatility.

    Without a spread there are trades only.
    """
    k = np.linspace(-0.3, 0.3, 41) if log_moneyness is None else log_moneyness
    volatility = np.sqrt(smile(k) / years) + noise

    def worth(of: np.ndarray) -> np.ndarray:
        return np.concatenate([
            model_greeks(
                volatility=of,
                underlying=forward,
                strike=forward * np.exp(k),
                expiry_years=years,
                rate=rate,
                dividend_yield=0.0,
                sign=sign,
                black76=True,
            ).price
            for sign in (1.0, -1.0)
        ])  # fmt: skip

    strike = np.tile(forward * np.exp(k), 2)
    nothing = np.full(len(strike), np.nan)
    return Expiry(
        years=years,
        strike=strike,
        sign=np.repeat([1.0, -1.0], len(k)),
        bid=worth(volatility - spread) if spread else nothing,
        ask=worth(volatility + spread) if spread else nothing,
        last=worth(volatility),
        volume=np.full(len(strike), 10.0),
        forward=forward,
        rate=rate,
        underlying=underlying,
    )


def _expiries(frame: pd.DataFrame, by: str, rate: float, forward: str = "") -> list[Expiry]:
    """`frame` has one row per option: `by`, strike, sign, years, bid, ask, last, volume."""
    found = []
    for _, part in frame[frame.years > 0].groupby(by, sort=True):
        columns = {name: part[name].to_numpy(float) for name in ("strike", "sign", "bid", "ask", "last", "volume")}
        own = float(part[forward].median()) if forward else np.nan
        found.append(Expiry(years=float(part.years.iloc[0]), rate=rate, forward=own, **columns))
    return found


def nse_chain(name: str, rate: float = 0.065) -> list[Expiry]:
    records = json.loads(gzip.decompress((DATA / "2_nse_chain" / name).read_bytes()))["records"]
    now = pd.to_datetime(records["timestamp"], format="%d-%b-%Y %H:%M:%S")
    rows = [
        (row["expiryDate"], row["strikePrice"], sign, leg["bidprice"], leg["askPrice"], leg["lastPrice"],
         leg["totalTradedVolume"])
        for row in records["data"] for side, sign in (("CE", 1), ("PE", -1)) if (leg := row.get(side))
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["expiry", "strike", "sign", "bid", "ask", "last", "volume"])
    frame["expiry"] = pd.to_datetime(frame.expiry, format="%d-%b-%Y") + pd.Timedelta(hours=15.5)
    frame["years"] = (frame.expiry - now) / pd.Timedelta(days=365)
    return _expiries(frame, "expiry", rate)


def nse_minutes(day: str, every: int = 60) -> list[list[Expiry]]:
    """Chains of last trades, one list of expiries each `every` minutes."""
    frame = pd.read_parquet(DATA / "3_intraday_india" / f"NIFTY_chain_1min_snapshots_{day}.parquet")
    now = pd.to_datetime(frame.timestamp, format="%Y%m%d%H%M")
    frame["until"] = pd.to_datetime(frame.expiry, format="%d-%b-%Y") + pd.Timedelta(hours=15, minutes=40)
    frame["years"] = (frame.until - now) / pd.Timedelta(days=365)
    frame["sign"] = frame.option_type.str[0].map({"C": 1, "P": -1})
    frame = frame.assign(bid=np.nan, ask=np.nan, last=frame.ltp)
    minutes = sorted(frame.timestamp.unique())[::every]
    return [_expiries(frame[frame.timestamp == minute], "until", 0.065) for minute in minutes]


def nse_five_minutes(every: int = 12) -> list[list[Expiry]]:
    frame = pd.read_csv(DATA / "3_intraday_india/NIFTY_chain_5min_snapshots_20260511_exp19MAY2026.csv.gz")
    now = pd.to_datetime(frame.datetime).dt.tz_localize(None)
    frame["until"] = pd.to_datetime(frame.expiryDate, format="%d-%b-%Y") + pd.Timedelta(hours=15.5)
    frame["years"] = (frame.until - now) / pd.Timedelta(days=365)
    frame["sign"] = frame.optionType.str[0].map({"C": 1, "P": -1})
    frame = frame.assign(bid=np.nan, ask=np.nan, last=frame.lastPrice, strike=frame.strikePrice)
    moments = now.dt.floor("min")
    return [_expiries(frame[moments == moment], "until", 0.065) for moment in sorted(moments.unique())[::every]]


def nse_stocks() -> list[Expiry]:
    """One expiry of each stock, each an underlying of its own. Their options are European."""
    frame = pd.read_csv(DATA / "3_intraday_india/NSE_allstocks_chain_20260203_1503.csv.gz")
    left = pd.to_datetime(frame.Expiry) + pd.Timedelta(hours=15.5) - pd.to_datetime(frame.timestamp)
    frame["years"] = left / pd.Timedelta(days=365)
    sides = [
        frame.assign(sign=sign, strike=frame.Strike, bid=np.nan, ask=np.nan, last=frame[f"{side}_LTP"],
                     volume=frame[f"{side}_Volume"])
        for side, sign in (("CE", 1), ("PE", -1))
    ]  # fmt: skip
    both = _expiries(pd.concat(sides), "Stock", 0.065)
    return [replace(expiry, underlying=place) for place, expiry in enumerate(both)]


def nse_day(name: str) -> list[Expiry]:
    """Closes of a day, of all underlyings; of what did not trade, settlements."""
    frame = pd.read_csv(DATA / "1_bhavcopy" / name, header=None if "2025" in name else 0)
    names = "INSTRUMENT SYMBOL EXPIRY STRIKE RIGHT OPEN HIGH LOW CLOSE SETTLE CONTRACTS VALUE OI CHANGE DAY"
    frame.columns = pd.Index(names.split())
    frame = frame[frame.INSTRUMENT.str.startswith("OPT")]
    until, day = (pd.to_datetime(frame[column], format="%d-%b-%Y") for column in ("EXPIRY", "DAY"))
    frame = frame.assign(
        until=until,
        years=(until - day).dt.days / 365,
        sign=frame.RIGHT.str[0].map({"C": 1, "P": -1}),
        strike=frame.STRIKE,
        bid=np.nan,
        ask=np.nan,
        last=np.where(frame.CONTRACTS > 0, frame.CLOSE, frame.SETTLE),
        volume=frame.CONTRACTS,
    )
    chains = [_expiries(part, "until", 0.065) for _, part in frame.groupby("SYMBOL")]
    return [replace(expiry, underlying=place) for place, chain in enumerate(chains) for expiry in chain]


def deribit(name: str = "deribit_BTC_2020-05-21.csv.gz") -> tuple[list[Expiry], pd.DataFrame]:
    """Quotes in coin, on the row's underlying price; and the file itself, with `until`, `strike`, `sign`."""
    frame = pd.read_csv(DATA / "4_vendor_greeks" / name)
    parts = frame.instrument_name.str.split("-", expand=True)
    frame["until"] = pd.to_datetime(parts[1], format="%d%b%y", utc=True) + pd.Timedelta(hours=8)
    frame["years"] = (frame.until - pd.to_datetime(frame.timestamp, unit="ms", utc=True)) / pd.Timedelta(days=365)
    frame["strike"], frame["sign"] = parts[2].astype(float), parts[3].map({"C": 1.0, "P": -1.0})
    own = frame.groupby("until").underlying_price.transform("median")
    frame = frame.assign(bid=frame.best_bid_price * own, ask=frame.best_ask_price * own, own=own, volume=np.nan)
    frame["last"] = np.nan
    return _expiries(frame, "until", 0.0, "own"), frame


def cboe(rate: float = 0.02) -> list[Expiry]:
    frame = pd.read_csv(DATA / "4_vendor_greeks/cboe_SPX_2022-07-12_1155ET.csv.gz", skiprows=2)
    weekly = frame.Calls.str.startswith("SPXW")
    frame = frame.assign(until=pd.to_datetime(frame["Expiration Date"], format="%a %b %d %Y")
                         + pd.to_timedelta(weekly.map({True: 16.0, False: 9.5}), unit="h"))  # fmt: skip
    frame["years"] = (frame.until - pd.Timestamp("2022-07-12 11:55")) / pd.Timedelta(days=365)
    sides = [
        frame.assign(sign=sign, strike=frame.Strike, bid=frame[f"Bid{suffix}"], ask=frame[f"Ask{suffix}"],
                     last=np.nan, volume=frame[f"Volume{suffix}"])
        for sign, suffix in ((1, ""), (-1, ".1"))
    ]  # fmt: skip
    return _expiries(pd.concat(sides), "until", rate)
