"""Reads the stored bars and ticks that `timeframes.core.fold` makes bars of."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from signalsite.foundation.rows import binary_columns
from timeframes.bars.folding import ENTRY_ORDER
from timeframes.core.bars import NUMBERS, BarColumns, TickColumns
from timeframes.core.grid import SECOND, Grid, instant, microseconds
from timeframes.core.timeframe import format_timeframe

_MICROSECONDS = "round(date_part('epoch', time) * 1000000)::int8"
_LOAD_BARS = f"""
SELECT {_MICROSECONDS}, open, high, low, close, volume, vwap, oi, trades FROM historical_data
WHERE instrument_key = %(key)s AND interval = %(interval)s AND time >= %(first)s AND time < %(end)s ORDER BY time
"""
_LOAD_TICKS = f"""
SELECT {_MICROSECONDS}, ltp, volume, open_interest FROM ticks t
WHERE instrument_key = %(key)s AND suspect = '' AND time >= %(first)s AND time <= %(end)s ORDER BY {ENTRY_ORDER}
"""


def load_parts(
    key: str, grid: Grid, lengths: Sequence[int], *, ticks: bool, until: datetime
) -> tuple[dict[int, BarColumns], TickColumns | None]:
    """Return the stored bars and ticks in the grid that `fold` makes bars of, as they were known at `until`.

    A stored bar that ends later, and a tick after it, do not count.
    """
    bars = {seconds: known_at(_load_bars(key, grid, seconds), grid, seconds, until) for seconds in lengths}
    return bars, _load_ticks(key, grid, until) if ticks else None


def _load_bars(key: str, grid: Grid, seconds: int) -> BarColumns:
    interval = format_timeframe(seconds)
    found = binary_columns(
        _LOAD_BARS,
        {"key": key, "interval": interval, "first": instant(int(grid.begins[0])), "end": instant(int(grid.ends[-1]))},
        {"time": int} | dict.fromkeys(NUMBERS, float),
    )
    return BarColumns(**found)


def known_at(bars: BarColumns, grid: Grid, seconds: int, until: datetime) -> BarColumns:
    """Return the bars of so many seconds that lie in the grid and have ended at `until`."""
    place = grid.place(bars.time)
    ends = bars.time + seconds * SECOND
    if grid.cut:  # a bar ends with its session
        ends = np.where(place >= 0, np.minimum(ends, grid.ends[place]), ends)
    return bars.take((place >= 0) & (ends <= microseconds(until)))


def _load_ticks(key: str, grid: Grid, until: datetime) -> TickColumns:
    end = min(instant(int(grid.ends[-1])), until)
    found = binary_columns(
        _LOAD_TICKS,
        {"key": key, "first": instant(int(grid.begins[0])), "end": end},
        {"time": int} | dict.fromkeys(("price", "volume", "open_interest"), float),
    )
    return TickColumns(**found)
