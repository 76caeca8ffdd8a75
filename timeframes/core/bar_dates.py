"""Bars by the dates of their exchange."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from timeframes.core.grid import Grid, default_anchor, instant, make_grid

FLAT_RUN = 10  # bars in a row without a move, at the end of a date


def grid_of(exchange: str, seconds: int, time: NDArray[np.int64]) -> Grid:
    """Return the grid of the dates of these times, and of the dates around them."""
    first, last = instant(int(time.min())).date(), instant(int(time.max())).date()
    one = timedelta(days=1)
    return make_grid(exchange, seconds, default_anchor(exchange), first - one, last + one)


def date_of(grid: Grid, time: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the stretch on whose date each time lies, also before its opening and after its close."""
    half = (grid.begins[1:] + grid.ends[:-1]) // 2
    return np.searchsorted(half, time, "right")


def flat_ends(unmoved: NDArray[np.bool_], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many bars without a move each stretch of bars ends with. `starts`: where the stretches begin."""
    ends = np.append(starts[1:], len(unmoved)) - 1
    breaks = ~unmoved
    breaks[starts] = True
    run: NDArray[np.intp] = ends - np.maximum.accumulate(np.where(breaks, np.arange(len(unmoved)), 0))[ends]
    return run
