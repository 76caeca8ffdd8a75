"""Cash dividends of options: when an ex-date lies between the instant and the expiry, and what is paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

AN_INSTANT = 1e-9
"""In years: `after` may leave a dividend at T a rounding beyond it."""


class CashDividend(NamedTuple):
    years: float  # from the instant to the opening of the ex-date's session, under the day count of T
    amount: float  # a unit of the underlying, in its currency


@dataclass(frozen=True, slots=True, kw_only=True)
class DividendColumns:
    """The cash dividends of n options, one after the other: option i has the places offsets[i] to offsets[i + 1].

    Only dividends that go ex after the instant and before the option's expiry are here, so 0 < years <= T. Those of an
    option are in the order of their years. An option that is priced with a yield has none.
    """

    offsets: np.ndarray  # int64, of length n + 1: the first is 0, the last the number of all dividends
    years: np.ndarray  # float64: CashDividend.years
    amounts: np.ndarray  # float64: CashDividend.amount

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> "DividendColumns":
        """Return the dividends of these options (places, or a mask), in that order."""
        rows = np.arange(len(self))[rows]
        begins, counts = self.offsets[rows], np.diff(self.offsets)[rows]
        offsets = _offsets(counts)
        places = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
        return DividendColumns(offsets=offsets, years=self.years[places], amounts=self.amounts[places])

    def where(self, mask: np.ndarray) -> "DividendColumns":
        """Return as many options, of which those outside the mask (bool, of length n) have no dividends."""
        if not len(self.years):
            return self
        counts = np.diff(self.offsets)
        kept = np.repeat(mask, counts)
        return DividendColumns(
            offsets=_offsets(np.where(mask, counts, 0)), years=self.years[kept], amounts=self.amounts[kept]
        )

    def until(self, years: np.ndarray) -> "DividendColumns":
        """Return those that go ex at or before each option's T of `years`: a caller's own T may be a shorter one."""
        of = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        kept = self.years <= years[of] + AN_INSTANT
        counts = np.bincount(of[kept], minlength=len(self))
        return DividendColumns(offsets=_offsets(counts), years=self.years[kept], amounts=self.amounts[kept])

    def after(self, elapsed: np.ndarray) -> "DividendColumns":
        """Return what is still to come for each option when `elapsed` years have passed."""
        of = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        left = self.years - elapsed[of]
        ahead = left > 0.0
        counts = np.bincount(of[ahead], minlength=len(self))
        return DividendColumns(offsets=_offsets(counts), years=left[ahead], amounts=self.amounts[ahead])

    def any_of(self) -> np.ndarray:
        """Return which options have dividends (bool)."""
        found: np.ndarray = np.diff(self.offsets) > 0
        return found

    def present_values(self, rate: np.ndarray) -> np.ndarray:
        """Return what each option's dividends are worth at the instant, discounted at the option's own `rate`."""
        count = len(self)
        if not len(self.years):
            return np.zeros(count)
        of = np.repeat(np.arange(count), np.diff(self.offsets))
        with np.errstate(over="ignore", invalid="ignore"):
            value: np.ndarray = np.bincount(of, self.amounts * np.exp(-rate[of] * self.years), minlength=count)
        return value


def dividend_columns(groups: Sequence[Sequence[CashDividend]], place: np.ndarray) -> DividendColumns:
    """Return the dividends of options, of which each has those of its group: `place` is its index in `groups`."""
    flat = [each for group in groups for each in group]
    if not flat:
        return no_dividends(len(place))
    of_groups = DividendColumns(
        offsets=_offsets(np.array([len(group) for group in groups], np.int64)),
        years=np.array([each.years for each in flat], np.float64),
        amounts=np.array([each.amount for each in flat], np.float64),
    )
    return of_groups.take(place)


def no_dividends(count: int) -> DividendColumns:
    return DividendColumns(offsets=np.zeros(count + 1, np.int64), years=np.empty(0), amounts=np.empty(0))


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
