"""Where a minute lies in the bars of a longer timeframe, on the exchange's own grid."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from signals.indicators.core.sessions import date_begin
from timeframes.core.grid import (
    Anchor,
    Grid,
    block_close,
    dates_of,
    default_anchor,
    instant,
    make_grid,
)
from timeframes.core.minutes import MINUTE
from timeframes.core.timeframe import DAY, Months, Timeframe, format_timeframe


@dataclass(frozen=True, slots=True)
class BarPlace:
    """The beginning and the end of a bar, and of the date from whose first bar on its indicators are computed in one
    run; microseconds since 1970."""

    begin: int
    end: int
    date_begin: int


def refusal(exchange: str, timeframe: Timeframe, anchor: str | None) -> str | None:
    """Return why bars cannot be folded live from minutes, None if they can."""
    own = default_anchor(exchange)
    if anchor is not None and anchor != own:
        return f"live bars of {exchange or 'a pair without an exchange'} have the anchor {own.value}"
    if isinstance(timeframe, int) and timeframe % MINUTE:
        return f"live bars are made of whole minutes, and {format_timeframe(timeframe)} is none of those"
    if own is Anchor.SESSION and isinstance(timeframe, int) and timeframe > DAY and timeframe % DAY:
        return f"{format_timeframe(timeframe)} is longer than a session and no whole number of days"
    return None


@lru_cache(65_536)
def place_bar(exchange: str, timeframe: Timeframe, time: int) -> BarPlace | None:
    """Return the bar in which a minute lies that begins at this time, None outside all sessions."""
    anchor = default_anchor(exchange)
    grid = _grid(exchange, timeframe, time)
    at = np.array([time], np.int64)
    place = grid.place(at)
    if place[0] < 0:
        return None
    begin = int(grid.bar(at, place)[0])
    end = int(grid.bar_ends(np.array([begin], np.int64))[0])
    if anchor is Anchor.SESSION and (isinstance(timeframe, Months) or timeframe >= DAY):
        end = block_close(exchange, timeframe, date_of(exchange, time))
    return BarPlace(begin, end, date_begin(begin, exchange, timeframe, anchor))


def date_of(exchange: str, time: int) -> date:
    return dates_of(exchange, default_anchor(exchange), instant(time), instant(time))[0]


def grid_until(exchange: str, timeframe: Timeframe, begin: int, until: int) -> Grid:
    """Return the grid of the bar that begins at `begin`, without what lies at or after `until`, a moment in it."""
    anchor = default_anchor(exchange)
    whole = make_grid(exchange, timeframe, anchor, *dates_of(exchange, anchor, instant(begin), instant(until)))
    some = whole.begins < until
    ends = np.minimum(whole.ends[some], until)
    block_ends = whole.block_ends if whole.step else whole.block_ends[some]
    return Grid(
        whole.begins[some], ends, whole.origin[some], whole.label[some], block_ends, whole.step, cut=True, closes=False
    )


def _grid(exchange: str, timeframe: Timeframe, time: int) -> Grid:
    return _grid_around(exchange, timeframe, date_of(exchange, time))


@lru_cache(1024)
def _grid_around(exchange: str, timeframe: Timeframe, day: date) -> Grid:
    one = timedelta(days=1)
    return make_grid(exchange, timeframe, default_anchor(exchange), day - one, day + one)
