"""The listing of the simulated exchange: underlyings, expiries and strikes. Indices are like NSE's, stocks invented."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice

import numpy as np

from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment, is_session, local_date, session_close

EXCHANGE = "SIM"
LIKE = "NSE"  # whose dates of expiry it has; it trades every day itself
TUESDAY = 1
STOCK_EXPIRIES, STOCK_STRIKES = 3, 80


@dataclass(frozen=True)
class Listing:
    """One underlying, with options on each of `expiries` and futures on some. `volatility` is at the money, annual."""

    symbol: str
    spot: float
    volatility: float
    dividend_yield: float
    strike_step: float
    lot_size: int
    expiries: tuple[date, ...]
    futures: frozenset[date]
    strikes_per_expiry: int

    @property
    def capacity(self) -> int:
        return 2 * len(self.expiries) * self.strikes_per_expiry


def list_underlyings(symbols: Sequence[str], day: date, rng: np.random.Generator) -> list[Listing]:
    """List NIFTY and BANKNIFTY as indices, any other name as a stock. Expiries are after `day`."""
    return [_index(symbol, day, rng) if symbol in INDICES else _stock(symbol, day, rng) for symbol in symbols]


def symbols_for(contracts: int, underlyings: int | None, day: date) -> list[str]:
    """Return NIFTY, BANKNIFTY and as many stocks as `underlyings` says, or as `contracts` need. Raises InvalidInput."""
    if underlyings is None:
        indices = sum(2 * len(_expiries(day, *counts)) * strikes for *_, counts, strikes in INDICES.values())
        stocks = math.ceil(max(0, contracts - indices) / (2 * STOCK_EXPIRIES * STOCK_STRIKES))
        underlyings = len(INDICES) + stocks
    if not 1 <= underlyings <= 9_999:
        raise InvalidInput("underlyings", f"underlyings must be 1 to 9,999, not {underlyings:,}")
    names = [*INDICES, *(f"STOCK{number:03d}" for number in range(1, underlyings - len(INDICES) + 1))]
    return names[:underlyings]


def listed_until(instruments: Iterable[InstrumentKey], at: datetime) -> datetime:
    """Return when the listing changes next: at the change of date, or when one of these contracts expires."""
    ends = {expiry_moment(key) for key in instruments if key.expiry}
    return min([session_close(EXCHANGE, local_date(EXCHANGE, at)), *ends])


def strikes_around(listing: Listing, forward: float) -> list[float]:
    """Return the strikes of one expiry, the nearest to the forward first."""
    nearest = round(forward / listing.strike_step)
    steps = sorted(
        range(max(1, nearest - listing.strikes_per_expiry), nearest + listing.strikes_per_expiry + 1),
        key=lambda step: (abs(step - nearest), step),
    )
    return [round(step * listing.strike_step, 2) for step in steps[: listing.strikes_per_expiry]]


# symbol: spot, volatility, dividend yield, strike step, lot, (weekly, monthly, quarterly expiries), strikes per expiry
INDICES = {
    "NIFTY": (24_500.0, 0.13, 0.012, 50.0, 75, (4, 3, 3), 140),
    "BANKNIFTY": (55_000.0, 0.15, 0.008, 100.0, 35, (0, 3, 2), 140),
}


def _index(symbol: str, day: date, rng: np.random.Generator) -> Listing:
    spot, volatility, dividend_yield, step, lot, counts, strikes = INDICES[symbol]
    return Listing(
        symbol=symbol,
        spot=round(spot * math.exp(0.03 * rng.standard_normal()), 2),
        volatility=volatility * math.exp(0.15 * rng.standard_normal()),
        dividend_yield=dividend_yield,
        strike_step=step,
        lot_size=lot,
        expiries=_expiries(day, *counts),
        futures=frozenset(_expiries(day, 0, 3, 0)),
        strikes_per_expiry=strikes,
    )


def _stock(symbol: str, day: date, rng: np.random.Generator) -> Listing:
    spot = round(math.exp(rng.uniform(math.log(150), math.log(6_000))), 2)
    expiries = _expiries(day, 0, STOCK_EXPIRIES, 0)
    return Listing(
        symbol=symbol,
        spot=spot,
        volatility=rng.uniform(0.18, 0.42),
        dividend_yield=rng.uniform(0.0, 0.02),
        strike_step=_round_step(spot / 100),
        lot_size=max(1, round(600_000 / spot / 25)) * 25,
        expiries=expiries,
        futures=frozenset(expiries),
        strikes_per_expiry=STOCK_STRIKES,
    )


def _round_step(step: float) -> float:
    """Return the largest of 1, 2.5, 5, 10, 25, ... that is not above `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return max(factor * power for factor in (1, 2.5, 5) if factor * power <= step)


@lru_cache(maxsize=64)
def _expiries(day: date, weekly: int, monthly: int, quarterly: int) -> tuple[date, ...]:
    """Return the next Tuesdays, last Tuesdays of months and of quarters after `day`, moved before holidays."""
    first = day + timedelta(days=(TUESDAY - day.weekday()) % 7)
    weeks = [first + timedelta(weeks=week) for week in range(5 * (max(weekly, monthly, 3 * quarterly) + 1))]
    months = [tuesday for tuesday in weeks if (tuesday + timedelta(weeks=1)).month != tuesday.month]
    quarters = [tuesday for tuesday in months if tuesday.month % 3 == 0]
    return tuple(sorted({*_next(weeks, day, weekly), *_next(months, day, monthly), *_next(quarters, day, quarterly)}))


def _next(scheduled: list[date], day: date, count: int) -> list[date]:
    moved = (_session_before(tuesday) for tuesday in scheduled)
    return list(islice((expiry for expiry in moved if expiry > day), count))


def _session_before(day: date) -> date:
    while not is_session(LIKE, day):
        day -= timedelta(days=1)
    return day
