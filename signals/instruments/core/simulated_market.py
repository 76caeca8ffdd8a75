"""A market of our own: seeded, priced through py_vollib plus noise, with the flaws that real quotes have.

Every number is drawn from one generator in a fixed order, so that a seed, a moment and a list of symbols always give
the same market. Nothing here uses our own pricing: the market is what that pricing is tested against.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from signals.instruments.core.simulated_listing import EXCHANGE, INDICES, Listing, list_underlyings, strikes_around
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InstrumentKey, Product, Right
from timeframes.core.quotes import QuoteColumns
from timeframes.core.sessions import expiry_moment, local_date

SOURCE = "simulation"
RATE = 0.065
TICK = 0.05
YEAR_SECONDS = 365 * 86_400
NOT_KNOWN = math.nan
# Share of the option contracts with each flaw.
ODDITIES = {"no price": 0.005, "one-sided": 0.01, "crossed": 0.005, "below intrinsic": 0.005}


@dataclass(frozen=True, eq=False)
class SimulatedMarket:
    """`instruments` and `lot_sizes` (0: none) run side by side; `quotes` are at the moment itself, `path` before it.

    `counts`: option contracts per (symbol, expiry as text); `oddities`: contracts made odd on purpose.
    """

    instruments: list[InstrumentKey]
    lot_sizes: list[int]
    quotes: QuoteColumns
    path: QuoteColumns
    counts: dict[tuple[str, str], int]
    oddities: dict[str, int]


def simulate_market(
    *, seed: int, at: datetime, symbols: Sequence[str], contracts: int, minutes: int
) -> SimulatedMarket:
    """A market as of `at` (aware) with exactly `contracts` options, and `minutes` of spot and VIX before it.

    Raises InvalidInput when the underlyings have too few strikes for that many contracts.
    """
    rng = np.random.default_rng(seed)
    listings = list_underlyings(symbols, local_date(EXCHANGE, at), rng)
    capacity = sum(listing.capacity for listing in listings)
    if not 0 < contracts <= capacity:
        raise InvalidInput("contracts", f"contracts must be 1 to {capacity:,} for {len(listings):,} underlyings")
    book = _Book()
    counts: Counter[tuple[str, str]] = Counter()
    dealt = 0
    for listing in listings:
        spot_key = InstrumentKey(EXCHANGE, listing.symbol, Product.EQUITY_SPOT)
        book.add(spot_key, 0, last=listing.spot)
        for expiry in listing.expiries:
            # Rounding the running total deals out exactly as many contracts as were asked for.
            before, dealt = dealt, dealt + 2 * listing.strikes_per_expiry
            wanted = dealt * contracts // capacity - before * contracts // capacity
            future = InstrumentKey(EXCHANGE, listing.symbol, Product.EQUITY_FUTURES, expiry)
            years = (expiry_moment(future) - at).total_seconds() / YEAR_SECONDS
            forward = listing.spot * math.exp((RATE - listing.dividend_yield) * years)
            if expiry in listing.futures:
                _quote_future(book, future, listing, forward, rng)
            _quote_options(book, future, listing, forward, years, wanted, rng)
            counts[listing.symbol, expiry.isoformat()] += wanted
    vix = InstrumentKey(EXCHANGE, "INDIAVIX", Product.EQUITY_SPOT)
    level = round(100 * next((x.volatility for x in listings if x.symbol in INDICES), listings[0].volatility), 2)
    book.add(vix, 0, last=level)
    oddities = _make_odd(book, rng)
    ends = {str(vix): (level, 0.9)} | {
        f"{EXCHANGE}@{x.symbol}@equity_spot": (x.spot, x.volatility) for x in listings if x.symbol in INDICES
    }
    return SimulatedMarket(
        book.keys, book.lots, book.quotes(at), _paths(ends, at, minutes, rng), dict(counts), oddities
    )


class _Book:
    """Quotes as they are made, one row per instrument; prices that are not known are NaN."""

    def __init__(self) -> None:
        self.keys: list[InstrumentKey] = []
        self.lots: list[int] = []
        self.rows: list[list[float]] = []
        self.intrinsic: list[float] = []

    def add(
        self,
        key: InstrumentKey,
        lot: int,
        *,
        bid: float = NOT_KNOWN,
        ask: float = NOT_KNOWN,
        last: float = NOT_KNOWN,
        volume: float = NOT_KNOWN,
        open_interest: float = NOT_KNOWN,
        intrinsic: float = 0.0,
    ) -> None:
        self.keys.append(key)
        self.lots.append(lot)
        self.rows.append([bid, ask, last, volume, open_interest])
        self.intrinsic.append(intrinsic)

    def quotes(self, at: datetime) -> QuoteColumns:
        bid, ask, last, volume, interest = np.array(self.rows).T
        names = list(map(str, self.keys))
        return QuoteColumns(
            instrument_key=names,
            time=at,
            source=SOURCE,
            bid=bid,
            ask=ask,
            last=last,
            volume=volume,
            open_interest=interest,
        )


def _quote_future(book: _Book, key: InstrumentKey, listing: Listing, forward: float, rng: np.random.Generator) -> None:
    noise = rng.standard_normal(2)
    price = forward + TICK * noise[0]
    lots = 20_000 * math.exp(0.5 * noise[1])
    bid, ask = _floor(price * (1 - 2e-5)), _ceil(price * (1 + 2e-5))
    book.add(
        key,
        listing.lot_size,
        bid=bid,
        ask=ask,
        last=bid,
        volume=_units(lots, listing),
        open_interest=_units(3 * lots, listing),
    )


def _quote_options(
    book: _Book,
    future: InstrumentKey,
    listing: Listing,
    forward: float,
    years: float,
    wanted: int,
    rng: np.random.Generator,
) -> None:
    from py_vollib.black import black  # seconds to import

    pairs = [(strike, right) for strike in strikes_around(listing, forward) for right in (Right.CALL, Right.PUT)][
        :wanted
    ]
    noise = rng.standard_normal((len(pairs), 4))
    tilt, discount = rng.uniform(-0.06, -0.02), math.exp(-RATE * years)
    for (strike, right), draw in zip(pairs, noise, strict=True):
        sign = 1 if right is Right.CALL else -1
        volatility, distance = _smile(listing.volatility, math.log(strike / forward), years, tilt)
        fair = float(black("c" if sign > 0 else "p", forward, strike, years, RATE, volatility))
        half = TICK / 2 + 0.003 * fair * (1 + abs(distance)) * math.exp(0.2 * draw[0])
        bid, ask = _floor(fair - half), max(_ceil(fair + half), TICK)
        last = max(round((fair + half * max(-1.0, min(1.0, 0.5 * draw[1]))) / TICK) * TICK, TICK)
        lots = 3_000 * math.exp(-0.7 * distance**2 + 0.6 * draw[2])
        book.add(
            InstrumentKey(EXCHANGE, listing.symbol, Product.EQUITY_OPTIONS, future.expiry, right, Decimal(str(strike))),
            listing.lot_size,
            bid=bid if bid > 0 else NOT_KNOWN,
            ask=ask,
            last=round(last, 2) if lots >= 1 else NOT_KNOWN,
            volume=_units(lots, listing),
            open_interest=_units(2 * lots * math.exp(0.4 * draw[3]), listing),
            intrinsic=discount * max(0.0, sign * (forward - strike)),
        )


def _smile(at_the_money: float, log_moneyness: float, years: float, tilt: float) -> tuple[float, float]:
    """(volatility, distance): a parabola in the distance from the forward, in standard deviations up to 3.

    Volatility at the money reverts from its level now to 1.1 times that within about half a year.
    """
    level = at_the_money * (1.1 - 0.1 * math.exp(-2 * years))
    distance = log_moneyness / (level * math.sqrt(years))
    x = max(-3.0, min(3.0, distance))
    return level * (1 + tilt * x + 0.025 * x * x), distance


def _make_odd(book: _Book, rng: np.random.Generator) -> dict[str, int]:
    """Spoil some options; each kind has at least one where there are enough contracts, and no contract has two."""
    options = [i for i, key in enumerate(book.keys) if key.product.is_option]
    order = [options[i] for i in rng.permutation(len(options))]
    made = dict.fromkeys(ODDITIES, 0)
    wanted = {
        kind: max(1, round(share * len(options))) if len(options) >= 100 else 0 for kind, share in ODDITIES.items()
    }
    for i in order:
        bid, ask, *rest = book.rows[i]
        if made["below intrinsic"] < wanted["below intrinsic"] and book.intrinsic[i] > 40 * TICK:
            low = _floor(0.99 * book.intrinsic[i] - TICK)
            book.rows[i][:3] = [low - TICK, low, low - TICK]
            made["below intrinsic"] += 1
        elif made["crossed"] < wanted["crossed"] and bid > 10 * TICK:
            book.rows[i][:2] = [ask, bid]
            made["crossed"] += 1
        elif made["no price"] < wanted["no price"]:
            book.rows[i] = [NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, 0.0, rest[2]]
            made["no price"] += 1
        elif made["one-sided"] < wanted["one-sided"] and bid > 0:
            book.rows[i][1] = NOT_KNOWN
            made["one-sided"] += 1
        elif made == wanted:
            break
    return made


def _paths(ends: dict[str, tuple[float, float]], at: datetime, minutes: int, rng: np.random.Generator) -> QuoteColumns:
    """A geometric random walk by the minute for each key: (value at `at`, annual volatility)."""
    times = [at.astimezone(UTC) - timedelta(minutes=back) for back in range(minutes, 0, -1)]
    step = math.sqrt(1 / (252 * 375))
    walks: list[NDArray[np.float64]] = []
    for value, volatility in ends.values():
        back = np.cumsum(rng.standard_normal(minutes))[::-1]
        walks.append(np.round(value * np.exp(volatility * step * back), 2))
    return QuoteColumns(
        instrument_key=[key for key in ends for _ in times],
        time=times * len(ends),
        source=SOURCE,
        last=np.concatenate(walks),
    )


def _units(lots: float, listing: Listing) -> float:
    return float(math.floor(lots) * listing.lot_size)


def _floor(price: float) -> float:
    return round(math.floor(price / TICK + 1e-9) * TICK, 2)


def _ceil(price: float) -> float:
    return round(math.ceil(price / TICK - 1e-9) * TICK, 2)
