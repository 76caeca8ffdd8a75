"""The forward by parity on real chains, compared with the official future, close or underlying of the same file."""

import gzip
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
LEGACY = "INSTRUMENT SYMBOL EXPIRY_DT STRIKE_PR OPTION_TYP OPEN HIGH LOW CLOSE SETTLE_PR CONTRACTS VAL OI CHG TIMESTAMP"
NUMBERS = ["bid", "ask", "price", "volume"]


@dataclass(frozen=True)
class Compared:
    """One expiry: its forward by parity and the official one. `off` is their relative difference."""

    group: tuple[object, ...]
    years: float
    found: ParityForward
    official: float

    @property
    def off(self) -> float:
        return abs(self.found.value / self.official - 1.0)

    @property
    def half(self) -> float:
        """Half of the forward's own bid-ask, or its residual."""
        own = 0.5 * (self.found.ask - self.found.bid)
        return (own if math.isfinite(own) else self.found.residual) / self.official


def compare(legs: pd.DataFrame, by: list[str], rate: float) -> list[Compared]:
    """`legs` has one row per option: `by`, strike, right (C or P), years, official, and NUMBERS."""
    sides = [legs[legs.right == right].drop_duplicates([*by, "strike"]) for right in "CP"]
    pairs = sides[0].merge(sides[1], on=[*by, "strike"], suffixes=("_c", "_p")).sort_values([*by, "strike"])

    def leg(side: str) -> tuple[np.ndarray, ...]:
        bid, ask, price, volume = (pairs[f"{name}_{side}"].to_numpy(float) for name in NUMBERS)
        two_sided = (bid > 0) & (ask >= bid)
        chosen = np.where(two_sided, 0.5 * (bid + ask), np.where(price > 0, price, np.nan))
        return chosen, np.where(two_sided, ask - bid, np.nan), volume

    (call, call_spread, call_volume), (put, put_spread, put_volume) = leg("c"), leg("p")
    unknown = np.full(len(pairs), np.nan)
    columns = ParityColumns(
        strike=pairs.strike.to_numpy(float),
        call=call,
        put=put,
        call_spread=call_spread,
        put_spread=put_spread,
        call_volume=call_volume,
        put_volume=put_volume,
        call_time=unknown,
        put_time=unknown,
    )
    groups = pairs.groupby(by, sort=True)
    years, official = groups.years_c.first(), groups.official_c.first()
    found = parity_forwards(columns, groups.size().to_numpy(), rate=rate, expiry_years=years.to_numpy())
    rows = zip(years.index, years, found, official, strict=True)
    return [Compared(group, *rest) for group, *rest in rows]


def legs_of(frame: pd.DataFrame, **columns: object) -> pd.DataFrame:
    made = pd.DataFrame({**dict.fromkeys(NUMBERS, np.nan), **columns}, index=frame.index)
    return made[made.years > 0]


def legacy(name: str) -> list[Compared]:
    """Closes and settlements of a day. Official: the close of the same expiry's future, if it traded."""
    head = None if "2025" in name else 0
    frame = pd.read_csv(DATA / "1_bhavcopy" / name, header=head)
    frame.columns = pd.Index(LEGACY.split())
    expiry, day = (pd.to_datetime(frame[each], format="%d-%b-%Y") for each in ("EXPIRY_DT", "TIMESTAMP"))
    frame["years"], frame["EXPIRY_DT"] = (expiry - day).dt.days / 365, expiry
    key = ["SYMBOL", "EXPIRY_DT"]
    futures = frame[frame.INSTRUMENT.str.startswith("FUT") & (frame.CONTRACTS > 0)].set_index(key).CLOSE
    options = frame[frame.INSTRUMENT.str.startswith("OPT")].join(futures.rename("official"), on=key)
    options = options[options.official > 0]
    legs = legs_of(
        options,
        strike=options.STRIKE_PR,
        right=options.OPTION_TYP.str[0],
        years=options.years,
        official=options.official,
        price=options.SETTLE_PR,
        volume=options.CONTRACTS,
        symbol=options.SYMBOL,
        expiry=options.EXPIRY_DT,
    )
    return compare(legs, ["symbol", "expiry"], 0.065)


def nse_chain(name: str, rate: float = 0.065) -> list[Compared]:
    """Quotes from the exchange's page. Official: the index, carried at 6.5 %."""
    records = json.loads(gzip.decompress((DATA / "2_nse_chain" / name).read_bytes()))["records"]
    now = pd.to_datetime(records["timestamp"], format="%d-%b-%Y %H:%M:%S")
    rows = [(row["expiryDate"], row["strikePrice"], side[0], row[side]) for row in records["data"]
            for side in ("CE", "PE") if side in row]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["expiry", "strike", "right", "leg"])
    expiry = pd.to_datetime(frame.expiry, format="%d-%b-%Y") + pd.Timedelta(hours=15.5)
    years = (expiry - now) / pd.Timedelta(days=365)
    legs = legs_of(
        frame,
        strike=frame.strike,
        right=frame.right,
        years=years,
        official=records["underlyingValue"] * np.exp(0.065 * years),
        bid=[leg["bidprice"] for leg in frame.leg],
        ask=[leg["askPrice"] for leg in frame.leg],
        volume=[leg["totalTradedVolume"] for leg in frame.leg],
        expiry=expiry,
    )
    legs["right"] = legs.right.str[0]
    return compare(legs, ["expiry"], rate)


def minutes(day: str) -> list[Compared]:
    """Last trades of a chain by the minute. Official: the index of that minute, carried."""
    frame = pd.read_parquet(DATA / "3_intraday_india" / f"NIFTY_chain_1min_snapshots_{day}.parquet")
    now = pd.to_datetime(frame.timestamp, format="%Y%m%d%H%M")
    expiry = pd.to_datetime(frame.expiry, format="%d-%b-%Y") + pd.Timedelta(hours=15, minutes=40)
    years = (expiry - now) / pd.Timedelta(days=365)
    return compare(
        legs_of(
            frame,
            strike=frame.strike,
            right=frame.option_type.str[0],
            years=years,
            official=frame.spot * np.exp(0.065 * years),
            price=frame.ltp,
            volume=frame.volume,
            minute=frame.timestamp,
            expiry=frame.expiry,
        ),
        ["minute", "expiry"],
        0.065,
    )


def five_minutes() -> list[Compared]:
    name = "NIFTY_chain_5min_snapshots_20260511_exp19MAY2026.csv.gz"
    frame = pd.read_csv(DATA / "3_intraday_india" / name)
    now = pd.to_datetime(frame.datetime).dt.tz_localize(None)
    expiry = pd.to_datetime(frame.expiryDate, format="%d-%b-%Y") + pd.Timedelta(hours=15.5)
    years = (expiry - now) / pd.Timedelta(days=365)
    return compare(
        legs_of(
            frame,
            strike=frame.strikePrice,
            right=frame.optionType.str[0],
            years=years,
            official=frame.underlyingValue * np.exp(0.065 * years),
            price=frame.lastPrice,
            volume=frame.volume,
            moment=now.dt.floor("min"),
        ),
        ["moment"],
        0.065,
    )


def stocks() -> list[Compared]:
    frame = pd.read_csv(DATA / "3_intraday_india/NSE_allstocks_chain_20260203_1503.csv.gz")
    years = (pd.to_datetime(frame.Expiry) + pd.Timedelta(hours=15.5) - pd.to_datetime(frame.timestamp)) / pd.Timedelta(
        days=365
    )
    sides = [
        legs_of(
            frame,
            strike=frame.Strike,
            right=right,
            years=years,
            official=frame.Stock_LTP * np.exp(0.065 * years),
            price=frame[f"{side}_LTP"],
            volume=frame[f"{side}_Volume"],
            symbol=frame.Stock,
        )
        for right, side in (("C", "CE"), ("P", "PE"))
    ]
    return compare(pd.concat(sides), ["symbol"], 0.065)


def cboe(rate: float) -> list[Compared]:
    """Quotes of SPX. Official: the index, carried at 1.5 % net of dividends."""
    frame = pd.read_csv(DATA / "4_vendor_greeks/cboe_SPX_2022-07-12_1155ET.csv.gz", skiprows=2)
    hours = frame.Calls.str.startswith("SPXW").map({True: 16.0, False: 9.5})
    expiry = pd.to_datetime(frame["Expiration Date"], format="%a %b %d %Y") + pd.to_timedelta(hours, unit="h")
    years = (expiry - pd.Timestamp("2022-07-12 11:55")) / pd.Timedelta(days=365)
    sides = [
        legs_of(
            frame,
            strike=frame.Strike,
            right=right,
            years=years,
            official=3856.28 * np.exp(0.015 * years),
            bid=frame[f"Bid{suffix}"],
            ask=frame[f"Ask{suffix}"],
            expiry=expiry,
        )
        for right, suffix in (("C", ""), ("P", ".1"))
    ]
    return compare(pd.concat(sides), ["expiry"], rate)


def deribit(name: str) -> list[Compared]:
    """Quotes in coin. Official: the row's underlying price, which is the expiry's future."""
    frame = pd.read_csv(DATA / "4_vendor_greeks" / name)
    parts = frame.instrument_name.str.split("-", expand=True)
    expiry = pd.to_datetime(parts[1], format="%d%b%y", utc=True) + pd.Timedelta(hours=8)
    years = (expiry - pd.to_datetime(frame.timestamp, unit="ms", utc=True)) / pd.Timedelta(days=365)
    official = frame.groupby(expiry).underlying_price.transform("median")
    return compare(
        legs_of(
            frame,
            strike=parts[2].astype(float),
            right=parts[3],
            years=years,
            official=official,
            bid=frame.best_bid_price * official,
            ask=frame.best_ask_price * official,
            expiry=expiry,
        ),
        ["expiry"],
        0.0,
    )


def judge(compared: list[Compared], *, most: float, nearly_all: float, agree: float = 1.0) -> None:
    """Assert: all with enough strikes are within `most` of the official price, 95 % within `nearly_all`; 1 is 100 %.

    The forward's own half bid-ask (or residual) is allowed on top: it says how much is known.
    """
    asked = [each for each in compared if each.found.strikes + len(each.found.excluded) >= 3]
    found = [each for each in asked if not each.found.disagree]
    assert len(found) >= agree * len(asked) > 0
    beyond = np.array([each.off - each.half for each in found])
    worst = found[int(beyond.argmax())]
    assert beyond.max() <= most, worst
    assert np.quantile(beyond, 0.95) <= nearly_all, worst


@pytest.mark.parametrize("name", ["fo_legacycols_20250321.csv.gz", "fo_legacycols_20260611.csv.gz"])
def test_a_days_closes(name: str) -> None:
    compared = legacy(name)
    indices = [each for each in compared if each.group[0] in ("NIFTY", "BANKNIFTY")]
    assert len(indices) == 6
    judge(indices, most=0.0015, nearly_all=0.0015)
    judge(compared, most=0.15, nearly_all=0.016, agree=0.99)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("banknifty_2021-05-17_1530.json.gz", 0.002),
        ("nifty_2022-03-15_1301.json.gz", 0.02),  # the market of that day carried at far less than 6.5 %
        ("nifty_2025-08-05_1359.json.gz", 0.007),
    ],
)
def test_the_exchanges_own_chains(name: str, most: float) -> None:
    judge(nse_chain(name), most=most, nearly_all=most)


@pytest.mark.parametrize("day", ["20260820", "20260821"])
def test_a_chain_minute_by_minute(day: str) -> None:
    judge(minutes(day), most=0.003, nearly_all=0.003)


def test_a_chain_every_five_minutes() -> None:
    compared = five_minutes()
    assert len(compared) > 60
    judge(compared, most=0.002, nearly_all=0.001)


def test_all_stocks_at_one_moment() -> None:
    compared = stocks()
    assert len(compared) > 150
    judge(compared, most=0.08, nearly_all=0.012)


@pytest.mark.parametrize("rate", [0.02, 0.065])
def test_index_options_of_cboe_whether_the_rate_is_right_or_not(rate: float) -> None:
    compared = cboe(rate)
    assert len(compared) > 50
    judge(compared, most=0.006, nearly_all=0.003)


def test_coins_of_deribit_lie_within_the_forwards_own_bid_and_ask() -> None:
    compared = deribit("deribit_BTC_2020-05-21.csv.gz")
    assert len(compared) == 7
    judge(compared, most=0.0, nearly_all=0.0)


def test_where_nobody_quotes_there_is_no_forward() -> None:
    assert all(math.isnan(each.found.value) for each in deribit("deribit_ETH_2021-02-11.csv.gz"))
