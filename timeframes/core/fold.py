"""The one fold: finer bars and ticks into the bars of a grid. `timeframes.bars.folding` has the same as SQL.

- `open` is the first part's, `close` the last one's, `high` and `low` are the extremes of all.
- `volume` and `trades` are sums of what is known, NaN where nothing is. `open_interest` is the last known.
- `vwap` is the mean of the parts' averages, weighted by their volumes. A part without an average counts with its
  typical price. NaN where nothing traded.

Of stored bars of several lengths the longest count; shorter ones, then ticks, fill what those do not cover.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bars import BarColumns, FoldedBars, TickColumns, join
from timeframes.core.grid import SECOND, Grid, floor


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
    price, traded = ticks.price[inside], _differences(ticks.volume[inside], place[inside])
    return BarColumns(
        time=ticks.time[inside],
        open=price,
        high=price,
        low=price,
        close=price,
        volume=traded,
        vwap=price,
        open_interest=ticks.open_interest[inside],
        trades=np.where(np.isnan(traded), np.nan, np.where(traded > 0, 1.0, 0.0)),
    )


def _differences(volume: NDArray[np.float64], place: NDArray[np.intp]) -> NDArray[np.float64]:
    known = np.where(np.isnan(volume), 0.0, volume)
    highest = np.zeros(len(volume))
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    bounds = np.append(starts, len(volume)).tolist()
    for begin, end in pairwise(bounds):  # one round a session
        highest[begin + 1 : end] = np.maximum.accumulate(np.maximum(known[begin : end - 1], 0.0))
    return np.where(np.isnan(volume), np.nan, np.maximum(known - highest, 0.0))


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
    starts = np.flatnonzero(np.diff(bar, prepend=np.int64(-(2**63) + 1)))
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
