"""What is stored about the carry of an underlying, and what of it was known on a date."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from signals.rates.core.curves import CURVE_DAYS, ZeroCurve

MOST_DAYS = 64
"""Days whose carry a history keeps. A call asks once a day for each; live states ask for today again and again."""
ALWAYS = 0
"""The day (date.toordinal) since which an undated announcement is known."""


class DatedYield(NamedTuple):
    since: int  # date.toordinal
    dividend_yield: float  # continuous, annual, as a decimal


class StoredDividend(NamedTuple):
    announced: int  # date.toordinal, ALWAYS where the source does not say
    ex_day: int  # date.toordinal
    ex_at: float  # the opening of that day's session, in seconds since 1970
    amount: float  # 0: none is paid on that day


class ExDividend(NamedTuple):
    ex_day: int
    ex_at: float
    amount: float


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """What is known of one underlying's carry on a date. `dividend_yield` is the dated one, NaN for none."""

    curve: ZeroCurve | None = None
    dividend_yield: float = math.nan
    dividends: tuple[ExDividend, ...] = ()  # by ex-date, past and future


NOTHING_KNOWN = Carry()


@dataclass(frozen=True, slots=True, eq=False)
class CarryHistory:
    """Everything stored, by date: curves of the underlying's currency, its yields, its dividends."""

    curves: Sequence[ZeroCurve] = ()
    yields: Sequence[DatedYield] = ()
    dividends: Sequence[StoredDividend] = ()
    _kept: dict[int, Carry] = field(default_factory=dict, init=False, repr=False)  # by day, and gone with the history

    def on(self, day: int) -> Carry:
        """Return what was known on a day (date.toordinal), whatever was stored later."""
        if not (self.curves or self.yields or self.dividends):
            return NOTHING_KNOWN
        if (found := self._kept.get(day)) is None:
            found = Carry(_curve(self.curves, day), _yield(self.yields, day), tuple(_dividends(self.dividends, day)))
            if len(self._kept) >= MOST_DAYS:
                self._kept.clear()
            self._kept[day] = found
        return found


NO_HISTORY = CarryHistory()


def _curve(curves: Sequence[ZeroCurve], day: int) -> ZeroCurve | None:
    """Return the newest curve of that day or before, None if it is older than CURVE_DAYS."""
    place = bisect_right([curve.day for curve in curves], day)
    return curves[place - 1] if place and day - curves[place - 1].day <= CURVE_DAYS else None


def _yield(yields: Sequence[DatedYield], day: int) -> float:
    """Return the yield of the newest date. It holds until another one does."""
    place = bisect_right([each.since for each in yields], day)
    return yields[place - 1].dividend_yield if place else math.nan


def _dividends(dividends: Iterable[StoredDividend], day: int) -> Iterable[ExDividend]:
    """Return what had been announced by that day. Of several announcements for an ex-date the newest counts."""
    newest = {each.ex_day: each for each in sorted(dividends) if each.announced <= day}
    return (ExDividend(*newest[ex_day][1:]) for ex_day in sorted(newest))
