"""The four prices of a bar as instants, and which price of the underlying each price of an option goes with.

A bar says when its first and its last price were made, within the bar, but not when its highest and its lowest were. So
`open` stands at the beginning of the bar and `close` at its end, while high and low count in the middle, which is never
wrong by more than half a bar.

The underlying has four prices too, and its high and its low are moments of the market, TOP and BOTTOM. A call is
dearest when the underlying is highest, a put when it is lowest. So a call's high and a put's low go with TOP, a call's
low and a put's high with BOTTOM. `Extremes.SAME` pairs high with high and low with low, whatever the right.

Times are int64, microseconds since 1970 in UTC.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bars import BarColumns
from timeframes.core.grid import Instants

POINTS = ("open", "high", "low", "close")
OPEN, TOP, BOTTOM, CLOSE = range(4)
"""Moments of the market in a bar. They are also the places of the underlying's own prices in POINTS."""


class Extremes(StrEnum):
    BY_RIGHT = "by_right"
    SAME = "same"


def instants(begins: Instants, ends: Instants) -> Instants:
    """Return the instant of each moment of each bar, as an array of (4, bars)."""
    middle = begins + (ends - begins) // 2
    return np.stack([begins, middle, middle, ends])


def moment_of(point: int, sign: float, extremes: Extremes) -> int:
    """Return the moment of the market that goes with a price of an option. `sign`: +1 call, -1 put.

    >>> moment_of(POINTS.index("high"), -1.0, Extremes.BY_RIGHT) == BOTTOM
    True
    """
    if extremes is Extremes.SAME or sign > 0 or point in (OPEN, CLOSE):
        return point
    return BOTTOM if point == TOP else TOP


def prices(bars: BarColumns, begins: Instants) -> NDArray[np.float64]:
    """Return the four prices of the bars that begin at these moments, as (4, bars), NaN where there is no such bar."""
    return np.stack([aligned(bars, getattr(bars, name), begins) for name in POINTS])


def aligned(bars: BarColumns, values: NDArray[np.float64], begins: Instants) -> NDArray[np.float64]:
    """Return the values of the bars that begin at these moments, NaN where there is no such bar."""
    if not len(bars):
        return np.full(len(begins), np.nan)
    place = np.minimum(np.searchsorted(bars.time, begins), len(bars) - 1)
    return np.where(bars.time[place] == begins, values[place], np.nan)
