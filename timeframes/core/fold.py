"""The one fold: finer bars and ticks into the bars of a grid. `timeframes.bars.folding` has the same as SQL.

- `open` is the first part's, `close` the last one's, `high` and `low` are the extremes of all.
- `volume` and `trades` are sums of what is known, NaN where nothing is. `open_interest` is the last known.
- `vwap` is the mean of the parts' averages, weighted by their volumes. A part without an average counts with its
  typical price. NaN where nothing traded.

Of stored bars of several lengths the longest count; shorter ones, then ticks, fill what those do not cover.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bars import BarColumns, FoldedBars, TickColumns, join
from timeframes.core.grid import SECOND, Grid, floor

LONG_RUN = 64  # elements from which a run is worth a round of its own


def fold(bars: Mapping[int, BarColumns], ticks: TickColumns | None, grid: Grid) -> FoldedBars:
    """Return the bars of the grid that the parts make, without the empty ones.

    `bars`: by the seconds of each stored timeframe. Those that do not fit into the grid's bars take no part.
    """
    parts, coarser = [], list[tuple[int, BarColumns]]()
    for seconds in sorted(bars, reverse=True):
        if fits(seconds, grid):
            part = _within(bars[seconds], seconds, grid)
            parts.append(part.take(_uncovered(part.time, coarser, grid)))
            coarser.append((seconds, part))
    if ticks is not None and len(ticks):
        part = tick_bars(ticks, grid)
        parts.append(part.take(_uncovered(part.time, coarser, grid, ticks=True)))
    return _fold(join(parts), grid)


def fits(seconds: int, grid: Grid) -> bool:
    """Return whether bars of this length never straddle two of the grid's."""
    return not grid.step or grid.step % (seconds * SECOND) == 0


def tick_bars(ticks: TickColumns, grid: Grid) -> BarColumns:
    """Return each tick in the grid as a bar of its own.

    The volume that a tick brings is how much its cumulative volume exceeds the highest before it in its stretch: the
    first brings all of it. A fall brings nothing, nor does what it takes to reach the highest again.
    """
    place = grid.place(ticks.time, ticks=True)
    inside = place >= 0
    time, place = ticks.time[inside], place[inside]
    before = highest_before(ticks.volume[inside], run_starts(place), 0.0)
    return bars_of_ticks(time, ticks.price[inside], ticks.volume[inside], ticks.open_interest[inside], before)


def bars_of_ticks(
    time: NDArray[np.int64],
    price: NDArray[np.float64],
    volume: NDArray[np.float64],
    open_interest: NDArray[np.float64],
    before: NDArray[np.float64],
) -> BarColumns:
    """Return each tick as a bar of its own. `before`: the highest cumulative volume before it in its stretch."""
    traded = np.maximum(volume - before, 0.0)
    return BarColumns(
        time=time,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=traded,
        vwap=price,
        open_interest=open_interest,
        trades=np.where(np.isnan(traded), np.nan, np.where(traded > 0, 1.0, 0.0)),
    )


def run_starts(*keys: NDArray[Any]) -> NDArray[np.intp]:
    """Return where runs of equal elements begin."""
    changes = np.zeros(len(keys[0]), bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes)


def highest_before(
    volume: NDArray[np.float64], starts: NDArray[np.intp], initial: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return the highest volume before each element of its run, at least the run's initial one. NaN counts as 0.

    `starts`: where runs begin; `initial`: one number a run, or one for all.
    """
    if not len(volume):
        return np.empty(0)
    ends = np.append(starts[1:], len(volume))
    lengths = ends - starts
    highest = np.where(np.isnan(volume), 0.0, volume)
    if len(starts) * LONG_RUN <= len(volume):
        for begin, end in zip(starts.tolist(), ends.tolist(), strict=True):
            np.maximum.accumulate(highest[begin:end], out=highest[begin:end])
    else:  # many short runs: all at once, with a reach that doubles each round
        step, place, first = 1, np.arange(len(volume)), np.repeat(starts, lengths)
        while step < lengths.max():
            within = place[step:] - step >= first[step:]
            highest[step:] = np.where(within, np.maximum(highest[step:], highest[:-step]), highest[step:])
            step *= 2
    before = np.empty(len(volume))
    before[1:] = highest[:-1]
    before[starts] = 0.0
    floor = initial if isinstance(initial, float) else np.repeat(initial, lengths)
    return np.maximum(before, np.maximum(floor, 0.0))


def _within(bars: BarColumns, seconds: int, grid: Grid) -> BarColumns:
    """Return the bars that begin in the grid and stand where bars of this length begin."""
    place = grid.place(bars.time)
    return bars.take((place >= 0) & ((bars.time - grid.origin[place]) % (seconds * SECOND) == 0))


def _uncovered(
    time: NDArray[np.int64], coarser: Sequence[tuple[int, BarColumns]], grid: Grid, *, ticks: bool = False
) -> NDArray[np.bool_]:
    free = np.ones(len(time), bool)
    place = grid.place(time, ticks=ticks)
    if ticks:
        time = np.minimum(time, grid.ends[place] - 1)
    for seconds, bars in coarser:
        free &= ~np.isin(floor(time, grid.origin[place], seconds * SECOND), bars.time)
    return free


def _fold(parts: BarColumns, grid: Grid) -> FoldedBars:
    bar = grid.bar(parts.time, grid.place(parts.time, ticks=True))
    return merge(parts, bar, run_starts(bar))


def merge(parts: BarColumns, bar: NDArray[np.int64], starts: NDArray[np.intp]) -> FoldedBars:
    """Merge runs of parts into one bar each. `bar`: the beginning of the bar of each part; `starts`: of the runs."""
    if not len(starts):
        return FoldedBars(**vars(parts), typical=np.empty(0, bool))
    ends = np.append(starts[1:], len(parts)) - 1
    traded = parts.volume > 0
    own = ~np.isnan(parts.vwap)
    # Divided first: the sum of three prices may exceed what a float holds.
    price = np.where(own, parts.vwap, parts.high / 3 + parts.low / 3 + parts.close / 3)
    weight = np.where(traded, parts.volume, 0.0)
    total = np.add.reduceat(weight, starts)
    value = np.add.reduceat(np.where(traded, price, 0.0) * weight, starts)
    return FoldedBars(
        time=bar[starts],
        open=parts.open[starts],
        high=np.maximum.reduceat(parts.high, starts),
        low=np.minimum.reduceat(parts.low, starts),
        close=parts.close[ends],
        volume=_sums(parts.volume, starts),
        vwap=np.divide(value, total, out=np.full(len(starts), np.nan), where=total > 0),
        open_interest=_last_known(parts.open_interest, starts, ends),
        trades=_sums(parts.trades, starts),
        typical=np.logical_or.reduceat(traded & ~own, starts),
    )


def _sums(values: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    return np.where(
        np.logical_or.reduceat(known, starts), np.add.reduceat(np.where(known, values, 0.0), starts), np.nan
    )


def _last_known(values: NDArray[np.float64], starts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.float64]:
    places = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))[ends]
    return np.where(places >= starts, values[places], np.nan)
