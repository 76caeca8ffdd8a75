"""Bars of a value that is known at instants: its first, highest, lowest, last and mean in each bar. Pure."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bars import Floats, TickColumns
from timeframes.core.fold import fold, run_starts
from timeframes.core.grid import Grid, Instants, floor

RECORDED, COMPUTED = "recorded", "computed"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueBars:
    """`count`: instants with a value. `recorded`: they were recorded live; else computed at the bar's end.

    `reason`: why there is no value, None with one.
    """

    time: Instants
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    mean: Floats
    count: NDArray[np.int64]
    recorded: NDArray[np.bool_]
    reason: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Self:
        return type(self)(**{name: getattr(self, name)[chosen] for name in self.__slots__})


def fold_values(time: Instants, value: Floats, grid: Grid) -> ValueBars:
    """Return the bars of values at instants, ascending, by the fold of ticks. NaN counts as no value.

    Each instant trades one unit, so the volume-weighted average is the mean.
    """
    known = np.isfinite(value) & (grid.place(time, ticks=True) >= 0)
    time, value = time[known], value[known]
    place = grid.place(time, ticks=True)
    starts = run_starts(place)
    lengths = np.diff(np.append(starts, len(place)))
    number: Floats = (np.arange(len(place)) - np.repeat(starts, lengths) + 1).astype(np.float64)  # in each stretch
    nothing = np.full(len(time), np.nan)
    found = fold({}, TickColumns(time=time, price=value, volume=number, open_interest=nothing), grid)
    return ValueBars(
        time=found.time,
        open=found.open,
        high=found.high,
        low=found.low,
        close=found.close,
        mean=found.vwap,
        count=found.trades.astype(np.int64),
        recorded=np.ones(len(found), np.bool_),
        reason=np.full(len(found), None, object),
    )


def computed_bars(time: Instants, value: Floats, reason: NDArray[np.object_]) -> ValueBars:
    """Return bars that have one value each, at their ends."""
    return ValueBars(
        time=time,
        **dict.fromkeys(("open", "high", "low", "close", "mean"), value),
        count=np.isfinite(value).astype(np.int64),
        recorded=np.zeros(len(time), np.bool_),
        reason=reason,
    )


def join_bars(parts: list[ValueBars]) -> ValueBars:
    """Return the bars of all parts in the order of time."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ValueBars.__slots__}
    return ValueBars(**columns).take(np.argsort(columns["time"], kind="stable"))


def bars_of_grid(grid: Grid) -> Instants:
    """Return where all bars of the grid begin, ascending."""
    if not len(grid):
        return np.empty(0, np.int64)
    if not grid.step:
        return np.unique(grid.label)
    first = floor(grid.begins, grid.origin, grid.step)
    counts = -(-(grid.ends - first) // grid.step)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return np.unique(np.repeat(first, counts) + (np.arange(counts.sum()) - starts) * grid.step)
