"""A vendor's numbers as columns, and which of its legs are quoted together."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COMPARED = ("implied_volatility", "delta", "gamma", "theta", "vega", "rho", "price")
PRICES = ("mark", "last", "settle", "close", "bid", "ask")


@dataclass(frozen=True, kw_only=True, eq=False)
class VendorColumns:
    """One element per leg. Float64 of equal length, NaN for what the file does not give, unless noted otherwise."""

    sign: Floats  # +1 call, -1 put
    strike: Floats
    contract: NDArray[np.int64]  # the place of the contract: equal for the same contract at other times
    expiry: NDArray[np.int64]  # equal for the same underlying and expiry
    time: Floats  # seconds since 1970
    seconds_to_expiry: Floats
    days_to_expiry: Floats  # whole days between the dates at the exchange
    bid: Floats
    ask: Floats
    last: Floats
    settle: Floats
    close: Floats
    mark: Floats  # the vendor's own valuation
    volume: Floats
    spot: Floats
    future: Floats  # the forward or future of the expiry
    implied_volatility: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats

    def __len__(self) -> int:
        return len(self.sign)

    @property
    def price(self) -> Floats:
        """The vendor's valuation, which is compared with the model's price."""
        return self.mark

    def given(self) -> tuple[str, ...]:
        """Return the compared columns in which the file has a number."""
        return tuple(name for name in COMPARED if np.isfinite(getattr(self, name)).any())

    def only(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "VendorColumns":
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True, eq=False)
class Pairs:
    """Calls and puts of one strike that are quoted together, in the order of their groups.

    `group` has the group of each leg: an underlying and an expiry, at one minute if the file has contracts at several
    times. `calls` and `puts` are places of legs, `sizes` how many pairs each group has.
    """

    group: NDArray[np.intp]
    calls: NDArray[np.intp]
    puts: NDArray[np.intp]
    sizes: NDArray[np.intp]


def find_pairs(columns: VendorColumns) -> Pairs:
    repeats = len(np.unique(columns.contract)) < len(columns)
    minute = np.floor(columns.time / 60.0) if repeats else np.zeros(len(columns))
    _, group = np.unique(np.column_stack([columns.expiry, minute]), axis=0, return_inverse=True)
    group = group.reshape(-1).astype(np.intp)
    order = np.lexsort((columns.time, -columns.sign, columns.strike, group))
    same = (group[order][1:] == group[order][:-1]) & (columns.strike[order][1:] == columns.strike[order][:-1])
    first = np.flatnonzero(same & (columns.sign[order][1:] < columns.sign[order][:-1]))
    calls, puts = order[first], order[first + 1]
    count = int(group.max()) + 1 if len(group) else 0
    return Pairs(group, calls, puts, np.bincount(group[calls], minlength=count))


def pinned(volatility: Floats) -> NDArray[np.bool_]:
    """Return which volatilities are one that many legs share: a default, which no price explains."""
    known = volatility[np.isfinite(volatility)]
    found = np.zeros(len(volatility), bool)
    if len(known):
        values, counts = np.unique(known, return_counts=True)
        if counts.max() > max(20, 0.2 * len(known)):
            found = volatility == values[counts.argmax()]
    return found
