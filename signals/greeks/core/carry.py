"""The rate and the dividends that the options of one underlying and expiry share, and where each came from.

What the caller says comes first. Then come the facts that are stored with dates, then the underlying's own setting and
the documented default. An override of a single option comes before all of these (`signals.greeks.core.evaluate`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from signals.greeks.core.conventions import DEFAULT_RATE, GreeksParams, expiry_years
from signals.greeks.core.dividends import CashDividend, DividendColumns, dividend_columns
from signals.rates.core.carry import NOTHING_KNOWN, Carry
from signals.rates.core.curves import ZeroCurve


class RateSource(StrEnum):
    OVERRIDE = "override"  # the item's own
    PARAMETER = "parameter"
    CURVE = "curve"  # the zero curve of the underlying's currency, at the calendar's T
    DEFAULT = "default"  # DEFAULT_RATE: no curve is stored, or none young enough


class DividendSource(StrEnum):
    OVERRIDE = "override"  # the item's own yield
    PARAMETER = "parameter"
    DISCRETE = "discrete"  # cash dividends; the yield is 0
    DATED = "dated"  # the yield of the newest date
    UNDERLYING = "underlying"  # the underlying's own yield
    NONE = "none"


RATE_SOURCES: tuple[RateSource, ...] = tuple(RateSource)
DIVIDEND_SOURCES: tuple[DividendSource, ...] = tuple(DividendSource)
"""Columns of codes are places in these."""


@dataclass(frozen=True, slots=True)
class GroupCarry:
    """`rate` and `dividend_yield` are continuous and annual; NaN where the market is not known.

    `curve_day` is the date (date.toordinal) of the curve that the rate is from, else None.
    """

    rate: float
    rate_source: RateSource
    curve_day: int | None
    dividend_yield: float
    dividend_source: DividendSource
    dividends: tuple[CashDividend, ...] = ()  # before the expiry, for DISCRETE

    @property
    def dividend_value(self) -> float:
        """The present value of the dividends, at the group's own rate."""
        if not self.dividends:
            return 0.0
        return sum(each.amount * math.exp(-self.rate * each.years) for each in self.dividends)


UNKNOWN_CARRY = GroupCarry(math.nan, RateSource.DEFAULT, None, math.nan, DividendSource.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryColumns:
    """What GroupCarry says, for n options. NaN for unknown."""

    rate: np.ndarray
    rate_source: np.ndarray  # int8: place in RATE_SOURCES
    dividend_yield: np.ndarray
    dividend_source: np.ndarray  # int8: place in DIVIDEND_SOURCES
    dividends: DividendColumns


def carry_columns(carries: Sequence[GroupCarry], place: np.ndarray) -> CarryColumns:
    """Return the columns of options. `place` is the index of each one's group in `carries`."""
    # Each column for itself: they are contiguous, as the engine wants them.
    return CarryColumns(
        rate=np.array([each.rate for each in carries], np.float64)[place],
        rate_source=np.array([_RATE[each.rate_source] for each in carries], np.int8)[place],
        dividend_yield=np.array([each.dividend_yield for each in carries], np.float64)[place],
        dividend_source=np.array([_DIVIDEND[each.dividend_source] for each in carries], np.int8)[place],
        dividends=dividend_columns([each.dividends for each in carries], place),
    )


def rates_at(
    params: GreeksParams, curves: Sequence[ZeroCurve | None], of: np.ndarray, years: np.ndarray
) -> tuple[np.ndarray, list[RateSource]]:
    """Return the rate at each T, and its source. `of` is the index of each one's underlying in `curves`."""
    if params.rate is not None:
        return np.full(len(of), params.rate), [RateSource.PARAMETER] * len(of)
    rates = np.full(len(of), DEFAULT_RATE)
    for curve in {curve for curve in curves if curve is not None}:
        rows = np.flatnonzero(np.array([each is curve for each in curves])[of])
        rates[rows] = curve.rate(years[rows])
    return rates, [RateSource.DEFAULT if curves[each] is None else RateSource.CURVE for each in of.tolist()]


def find_carries(
    params: GreeksParams,
    *,
    known: Sequence[Carry],
    own_yields: np.ndarray,
    today: np.ndarray,
    at: np.ndarray,
    of: np.ndarray,
    expires_at: np.ndarray,
    years: np.ndarray,
) -> list[GroupCarry]:
    """Return the carry of each group.

    `known`, `own_yields`, `today` (int64, the date at the exchange) and `at` (seconds since 1970) are by underlying;
    `known` is empty if nothing
    is stored of any. `of` (the underlying's place), `expires_at` and `years` are by group.
    """
    known = known or [NOTHING_KNOWN] * len(own_yields)
    rates, rate_sources = rates_at(params, [each.curve for each in known], of, years)
    found = [
        _dividends(params, facts, own, day, moment)
        for facts, own, day, moment in zip(known, own_yields.tolist(), today.tolist(), at.tolist(), strict=True)
    ]
    carries = []
    for underlying, rate, source, end in zip(
        of.tolist(), rates.tolist(), rate_sources, expires_at.tolist(), strict=True
    ):
        curve = known[underlying].curve if source is RateSource.CURVE else None
        dividend_yield, dividend_source, going_ex = found[underlying]
        paid = tuple(each for ex_at, each in going_ex if ex_at < end)
        carries.append(GroupCarry(rate, source, curve and curve.day, dividend_yield, dividend_source, paid))
    return carries


_Dividends = tuple[float, DividendSource, Sequence[tuple[float, CashDividend]]]


def _dividends(params: GreeksParams, known: Carry, own: float, today: int, at: float) -> _Dividends:
    """Return yield, source, and (ex moment, dividend) of each cash dividend to come.

    Cash dividends count if an announcement reaches beyond the instant. Where it ends, the engine knows of no more.
    """
    if params.dividend_yield is not None:
        return params.dividend_yield, DividendSource.PARAMETER, ()
    ahead = [each for each in known.dividends if each.ex_at > at]
    if ahead:
        seconds = np.array([each.ex_at - at for each in ahead])
        days = np.array([each.ex_day - today for each in ahead], np.float64)
        years = expiry_years(params.day_count, seconds, days).tolist()
        rows = zip(ahead, years, strict=True)
        cash = [(each.ex_at, CashDividend(when, each.amount)) for each, when in rows if each.amount > 0]
        return 0.0, DividendSource.DISCRETE, cash
    if known.dividend_yield == known.dividend_yield:
        return known.dividend_yield, DividendSource.DATED, ()
    return own, DividendSource.UNDERLYING if own else DividendSource.NONE, ()


_RATE = {source: place for place, source in enumerate(RATE_SOURCES)}
_DIVIDEND = {source: place for place, source in enumerate(DIVIDEND_SOURCES)}
