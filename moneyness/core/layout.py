"""Where groups and strikes lie in the columns of chains, and reductions over them that allow for empty ones."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from moneyness.core.priced import Floats, OptionRows, PricedChains, Rows

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikeRows:
    """The strikes of all groups, ascending within a group, one element each unless noted."""

    group: Rows
    strike: Floats
    call: Rows  # its place among the options, -1 for none; the first of several
    put: Rows
    offsets: Rows  # G + 1 elements: group g has the strikes offsets[g] to offsets[g + 1]
    of_option: Rows  # N elements: the strike of each option

    @property
    def groups(self) -> int:
        return len(self.offsets) - 1

    def least(self, values: NDArray[Number], empty: float) -> NDArray[Number]:
        """Return the least of each group's strike values."""
        return _reduce(np.minimum, values, self.offsets, empty)

    def most(self, values: NDArray[Number], empty: float) -> NDArray[Number]:
        return _reduce(np.maximum, values, self.offsets, empty)

    def first(self, where: NDArray[np.bool_]) -> Rows:
        """Return the first strike of each group at which `where` is true, -1 for none."""
        count = len(where)
        found = self.least(np.where(where, np.arange(count), count), count)
        return np.where(found < count, found, -1)

    def last(self, where: NDArray[np.bool_]) -> Rows:
        """Return the last strike of each group at which `where` is true, -1 for none."""
        return self.most(np.where(where, np.arange(len(where)), -1), -1)

    def totals(self, values: Floats) -> Floats:
        """Return the sums of each group's strikes. `values` has one element or block a strike."""
        found = np.zeros((self.groups, *values.shape[1:]))
        some = np.flatnonzero(self.offsets[1:] > self.offsets[:-1])
        if len(some):
            found[some] = np.add.reduceat(values, self.offsets[some], axis=0)
        return found


def _reduce(function: np.ufunc, values: NDArray[Number], offsets: Rows, empty: float) -> NDArray[Number]:
    found: NDArray[Number] = np.full(len(offsets) - 1, empty, values.dtype)
    some = np.flatnonzero(offsets[1:] > offsets[:-1])
    if len(some):
        found[some] = function.reduceat(values, offsets[some])
    return found


def find_strikes(chains: PricedChains) -> StrikeRows:
    """Return the strikes of the options, which are ordered by group and strike."""
    options = chains.options
    group, strike = options.group, options.strike
    is_new = np.ones(len(strike), np.bool_)
    is_new[1:] = (group[1:] != group[:-1]) | (strike[1:] != strike[:-1])
    begins = np.flatnonzero(is_new)
    of_option = np.cumsum(is_new) - 1
    of_group = group[begins]
    return StrikeRows(
        group=of_group,
        strike=strike[begins],
        call=_legs(options, of_option, len(begins), is_call=True),
        put=_legs(options, of_option, len(begins), is_call=False),
        offsets=np.searchsorted(of_group, np.arange(len(chains.expiries.underlying) + 1)),
        of_option=of_option,
    )


def _legs(options: OptionRows, of_option: Rows, strikes: int, *, is_call: bool) -> Rows:
    legs = np.full(strikes, -1, np.intp)
    rows = np.flatnonzero(options.sign > 0 if is_call else options.sign < 0)[::-1]  # the first is written last
    legs[of_option[rows]] = rows
    return legs


def at_places(values: Floats, places: Rows) -> Floats:
    """Return the values at the places, NaN where a place is -1."""
    if not len(values):
        return np.full(len(places), np.nan)
    return np.where(places >= 0, values[places], np.nan)


def at_money(chains: PricedChains) -> Floats:
    """Return the price at which each group's options are at the money: the forward, else the spot, else NaN."""
    expiries = chains.expiries
    spot = chains.underlyings.spot[expiries.underlying]
    forward = expiries.forward
    price = np.where((forward > 0) & (forward < np.inf), forward, spot)
    return np.where((price > 0) & (price < np.inf), price, np.nan)
