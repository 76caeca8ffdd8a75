"""A simulated market: seeded, priced by py_vollib plus noise, with the flaws of real quotes.

One generator draws every number in a fixed order, so a seed, a moment and a list of symbols always give the same
market. Our own pricing has no part in it, since tests compare that pricing with this market.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from signals.simulator.core.simulated_listing import EXCHANGE, INDICES, Listing, list_underlyings, strikes_around
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InstrumentKey, Product, Right
from timeframes.core.quotes import QuoteRows
from timeframes.core.sessions import expiry_moment, local_date, session_close, session_open

SOURCE = "simulation"
VOLATILITY_INDEX = "INDIAVIX"
RATE = 0.065
TICK = 0.05
YEAR_SECONDS = 365 * 86_400
MAX_MINUTES = 100_000
USUAL_TILT = -0.04  # of the smile of an expiry that is no longer listed anew
COLUMNS = ("bid", "ask", "last", "volume", "open_interest")
# Share of the option contracts with each flaw.
ODDITIES = {"below intrinsic": 0.005, "crossed": 0.005, "no price": 0.005, "one-sided": 0.01}


@dataclass(frozen=True, eq=False)
class SimulatedMarket:
    """`instruments` and `lot_sizes` (0: none) are parallel; `quotes` are of the moment itself, `path` of the past.

    `counts`: option contracts per (symbol, expiry as text); `oddities`: contracts flawed on purpose, by kind.
    """

    instruments: list[InstrumentKey]
    lot_sizes: list[int]
    quotes: QuoteRows
    path: QuoteRows
    counts: dict[tuple[str, str], int]
    oddities: dict[str, int]


def simulate_market(
    *,
    seed: int,
    at: datetime,
    symbols: Sequence[str],
    contracts: int,
    minutes: int,
    spots: Mapping[str, float] | None = None,
    listed: Iterable[InstrumentKey] = (),
) -> SimulatedMarket:
    """Return a market as of `at` (aware) with exactly `contracts` options, and `minutes` of spot and VIX before it.

    `spots` (by symbol) replace the seed's. `listed` are options and futures of these symbols that are quoted too, on
    the same surface. Volumes are of the part of the session that is over. Raises InvalidInput, for example if the
    underlyings have too few strikes for that many contracts.
    """
    if len(set(symbols)) != len(symbols) or VOLATILITY_INDEX in symbols:
        raise InvalidInput("symbols", f"symbols must be given once each, and not {VOLATILITY_INDEX}")
    rng = np.random.default_rng(seed)
    listings = [
        replace(listing, spot=(spots or {}).get(listing.symbol, listing.spot))
        for listing in list_underlyings(symbols, local_date(EXCHANGE, at), rng)
    ]
    capacity = sum(listing.capacity for listing in listings)
    if not 0 < contracts <= capacity:
        raise InvalidInput("contracts", f"contracts must be 1 to {capacity:,} for {len(listings):,} underlyings")
    if not 0 <= minutes <= MAX_MINUTES:
        raise InvalidInput("minutes", f"minutes must be 0 to {MAX_MINUTES:,}, not {minutes:,}")
    book = _Book()
    counts: Counter[tuple[str, str]] = Counter()
    tilts: dict[tuple[str, date], float] = {}
    dealt = 0
    for listing in listings:
        book.add_spot(listing.symbol, listing.spot)
        for expiry in listing.expiries:
            # Rounding the running total deals out exactly as many contracts as were asked for.
            before, dealt = dealt, dealt + 2 * listing.strikes_per_expiry
            wanted = dealt * contracts // capacity - before * contracts // capacity
            future, years, forward = _expiry(listing, expiry, at)
            if expiry in listing.futures:
                _quote_future(book, future, listing, forward, rng)
            strikes = np.repeat(strikes_around(listing, forward), 2)[:wanted]
            sign = np.resize([1.0, -1.0], len(strikes))
            tilts[listing.symbol, expiry] = _quote_options(book, future, listing, forward, years, strikes, sign, rng)
            counts[listing.symbol, expiry.isoformat()] += wanted
    level = round(100 * next((x.volatility for x in listings if x.symbol in INDICES), listings[0].volatility), 2)
    level = (spots or {}).get(VOLATILITY_INDEX, level)
    book.add_spot(VOLATILITY_INDEX, level)
    numbers, blocks = np.concatenate(book.blocks), len(book.blocks)
    oddities = _make_odd(book, numbers, rng)
    counts.update(_quote_listed(book, listings, listed, at, tilts, rng))
    numbers = np.concatenate([numbers, *book.blocks[blocks:]])
    volume, lots = numbers[:, COLUMNS.index("volume")], np.maximum(book.lots, 1)
    volume[:] = np.floor(_so_far(at) * volume / lots) * lots
    quotes = QuoteRows(
        instrument_key=list(map(str, book.keys)), time=at, source=SOURCE, **dict(zip(COLUMNS, numbers.T, strict=True))
    )
    ends = {f"{EXCHANGE}@{VOLATILITY_INDEX}@equity_spot": (level, 0.9)} | {
        f"{EXCHANGE}@{x.symbol}@equity_spot": (x.spot, x.volatility) for x in listings if x.symbol in INDICES
    }
    return SimulatedMarket(book.keys, book.lots, quotes, _paths(ends, at, minutes, rng), dict(counts), oddities)


def _expiry(listing: Listing, expiry: date, at: datetime) -> tuple[InstrumentKey, float, float]:
    """Return the future's key, the years to expiry and the forward."""
    future = InstrumentKey(EXCHANGE, listing.symbol, Product.EQUITY_FUTURES, expiry)
    years = (expiry_moment(future) - at).total_seconds() / YEAR_SECONDS
    return future, years, listing.spot * math.exp((RATE - listing.dividend_yield) * years)


class _Book:
    """Collects quotes in blocks of columns, one row per instrument. NaN stands for an unknown price."""

    def __init__(self) -> None:
        self.keys: list[InstrumentKey] = []
        self.lots: list[int] = []
        self.blocks: list[NDArray[np.float64]] = []
        self.intrinsic: list[NDArray[np.float64]] = []

    def add(
        self,
        keys: list[InstrumentKey],
        lot: int,
        block: NDArray[np.float64],
        intrinsic: NDArray[np.float64] | None = None,
    ) -> None:
        """`block` has the shape (len(keys), 5), in the order of COLUMNS."""
        self.keys += keys
        self.lots += [lot] * len(keys)
        self.blocks.append(block)
        self.intrinsic.append(np.zeros(len(keys)) if intrinsic is None else intrinsic)

    def add_spot(self, symbol: str, price: float) -> None:
        key = InstrumentKey(EXCHANGE, symbol, Product.EQUITY_SPOT)
        self.add([key], 0, np.array([[np.nan, np.nan, price, np.nan, np.nan]]))


def _quote_future(book: _Book, key: InstrumentKey, listing: Listing, forward: float, rng: np.random.Generator) -> None:
    noise = rng.standard_normal(2)
    price = np.array([forward + TICK * noise[0]])
    lots = 20_000 * np.exp(0.5 * noise[1:])
    bid, ask = _floor(price * (1 - 2e-5)), _ceil(price * (1 + 2e-5))
    book.add(
        [key], listing.lot_size, np.column_stack([bid, ask, bid, _units(lots, listing), _units(3 * lots, listing)])
    )


def _quote_options(
    book: _Book,
    future: InstrumentKey,
    listing: Listing,
    forward: float,
    years: float,
    strikes: NDArray[np.float64],
    sign: NDArray[np.float64],
    rng: np.random.Generator,
    tilt: float | None = None,
) -> float:
    """Add the options of one expiry. Return the tilt of its smile, drawn unless it is given."""
    from py_vollib.black import black  # seconds to import

    noise = rng.standard_normal((4, len(strikes)))
    tilt = rng.uniform(-0.06, -0.02) if tilt is None else tilt
    volatility, distance = _smile(listing.volatility, np.log(strikes / forward), years, tilt)
    fair = np.array(
        [
            black("c" if side > 0 else "p", forward, strike, years, RATE, sigma)
            for side, strike, sigma in zip(sign.tolist(), strikes.tolist(), volatility.tolist(), strict=True)
        ]
    )
    half = TICK / 2 + 0.003 * fair * (1 + np.abs(distance)) * np.exp(0.2 * noise[0])
    bid, ask = _floor(fair - half), np.maximum(_ceil(fair + half), TICK)
    last = np.maximum(_nearest(fair + half * np.clip(0.5 * noise[1], -1, 1)), TICK)
    lots = 3_000 * np.exp(-0.7 * distance**2 + 0.6 * noise[2])
    columns = [
        np.where(bid > 0, bid, np.nan),
        ask,
        np.where(lots >= 1, last, np.nan),
        _units(lots, listing),
        _units(2 * lots * np.exp(0.4 * noise[3]), listing),
    ]
    keys = [
        InstrumentKey(
            EXCHANGE,
            listing.symbol,
            Product.EQUITY_OPTIONS,
            future.expiry,
            Right.CALL if side > 0 else Right.PUT,
            Decimal(str(strike)),
        )
        for strike, side in zip(strikes.tolist(), sign.tolist(), strict=True)
    ]
    intrinsic = np.exp(-RATE * years) * np.maximum(sign * (forward - strikes), 0)
    book.add(keys, listing.lot_size, np.column_stack(columns), intrinsic)
    return tilt


def _quote_listed(
    book: _Book,
    listings: Sequence[Listing],
    listed: Iterable[InstrumentKey],
    at: datetime,
    tilts: Mapping[tuple[str, date], float],
    rng: np.random.Generator,
) -> Counter[tuple[str, str]]:
    """Add those `listed` that are not in the book, unless they have expired. Return the counts of the options."""
    known = set(book.keys)
    expiries: dict[tuple[str, date], list[InstrumentKey]] = {}
    for key in listed:
        if key not in known and key.expiry is not None:
            expiries.setdefault((key.symbol, key.expiry), []).append(key)
    counts: Counter[tuple[str, str]] = Counter()
    for listing in listings:
        for (symbol, expiry), keys in sorted(expiries.items()):
            future, years, forward = _expiry(listing, expiry, at)
            if symbol == listing.symbol and years > 0:
                options = [key for key in keys if key.product.is_option]
                if len(options) < len(keys):
                    _quote_future(book, future, listing, forward, rng)
                strikes = np.array([float(key.strike or 0) for key in options])
                sign = np.array([1.0 if key.right is Right.CALL else -1.0 for key in options])
                tilt = tilts.get((symbol, expiry), USUAL_TILT)
                _quote_options(book, future, listing, forward, years, strikes, sign, rng, tilt)
                counts[symbol, expiry.isoformat()] += len(options)
    return counts


def _smile(
    at_the_money: float, log_moneyness: NDArray[np.float64], years: float, tilt: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (volatility, distance): a parabola in the distance from the forward, in standard deviations up to 3.

    Volatility at the money reverts from its level now to 1.1 times that within about half a year.
    """
    level = at_the_money * (1.1 - 0.1 * math.exp(-2 * years))
    distance = log_moneyness / (level * math.sqrt(years))
    x = np.clip(distance, -3, 3)
    return level * (1 + tilt * x + 0.025 * x * x), distance


def _make_odd(book: _Book, quotes: NDArray[np.float64], rng: np.random.Generator) -> dict[str, int]:
    """Spoil some options of `quotes`: each kind of flaw where it shows, and no contract twice.

    A market of fewer than 100 options stays as it is. A larger one gets at least one flaw of each kind.
    """
    option = np.array([key.product.is_option for key in book.keys])
    intrinsic = np.concatenate(book.intrinsic)
    free = rng.permutation(np.flatnonzero(option))
    made = dict.fromkeys(ODDITIES, 0)
    if (options := len(free)) < 100:
        return made
    for kind, share in ODDITIES.items():
        bid, ask = quotes[free, 0], quotes[free, 1]
        fits = {"below intrinsic": intrinsic[free] > 40 * TICK, "crossed": bid > 10 * TICK, "one-sided": bid > 0}
        rows = free[fits.get(kind, np.isfinite(ask))][: max(1, round(share * options))]
        match kind:
            case "below intrinsic":
                low = _floor(0.99 * intrinsic[rows] - TICK)
                quotes[rows, :3] = np.column_stack([low - TICK, low, low - TICK])
            case "crossed":
                quotes[rows, :2] = quotes[rows, 1::-1]
            case "one-sided":
                quotes[rows, 1] = np.nan
            case _:
                quotes[rows, :4] = [np.nan, np.nan, np.nan, 0.0]
        made[kind] = len(rows)
        free = free[~np.isin(free, rows)]
    return made


def _paths(ends: dict[str, tuple[float, float]], at: datetime, minutes: int, rng: np.random.Generator) -> QuoteRows:
    """Return a geometric random walk by the minute for each key. `ends`: (value at `at`, annual volatility) by key."""
    times = [at.astimezone(UTC) - timedelta(minutes=back) for back in range(minutes, 0, -1)]
    step = math.sqrt(60 / YEAR_SECONDS)  # it moves at all hours
    walks: list[NDArray[np.float64]] = []
    for value, volatility in ends.values():
        back = np.cumsum(rng.standard_normal(minutes))[::-1]
        walks.append(np.round(value * np.exp(volatility * step * back), 2))
    return QuoteRows(
        instrument_key=[key for key in ends for _ in times],
        time=times * len(ends),
        source=SOURCE,
        last=np.concatenate(walks),
    )


def _so_far(at: datetime) -> float:
    """Return which part of its session is over."""
    day = local_date(EXCHANGE, at)
    opens, closes = session_open(EXCHANGE, day), session_close(EXCHANGE, day)
    return (at - opens) / (closes - opens)


def _units(lots: NDArray[np.float64], listing: Listing) -> NDArray[np.float64]:
    return np.floor(lots) * listing.lot_size


def _floor(price: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(np.floor(price / TICK + 1e-9) * TICK, 2)


def _ceil(price: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(np.ceil(price / TICK - 1e-9) * TICK, 2)


def _nearest(price: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(np.round(price / TICK) * TICK, 2)
