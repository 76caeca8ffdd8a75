"""Reads histories of values: recorded ones, and those computed where nothing was recorded."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from moneyness.core.value_bars import ValueBars, bars_of_grid, computed_bars, fold_values, join_bars
from moneyness.history.computed import compute_values, next_quote
from moneyness.history.recorded import load_recorded
from moneyness.history.values import Source, Wanted
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.rows import binary_rows
from timeframes.core.bars import Floats
from timeframes.core.grid import (
    Anchor,
    Grid,
    Instants,
    block_close,
    dates_of,
    ended,
    instant,
    make_grid,
    microseconds,
    usual_length,
)
from timeframes.core.sessions import is_session, local_date
from timeframes.core.timeframe import DAY

PAGE_SECONDS = 1.0
"""A page ends after the part that reaches it, so that a request answers within five seconds."""
AT_ONCE = 4  # instants that are computed before the time is looked at: one of a large index takes a third of a second
TOO_MUCH = "the values of one page are made of too much data: ask for a smaller limit, or source=recorded"
_MOMENT = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_EMPTY = np.empty(0, np.int64), np.empty(0)
# Levels are recorded at the instants at which expiries are, and these have an index.
_RECORDED_FROM = "SELECT min(time) FROM signal_chain_analytics WHERE underlying = %(underlying)s AND time > %(after)s"


@dataclass(frozen=True, slots=True, eq=False)
class ValuePage:
    """`following`: the moment after which the next page begins, None after the last."""

    bars: ValueBars
    complete: NDArray[np.bool_]
    following: datetime | None


def read_page(wanted: Wanted, *, limit: int, now: datetime) -> ValuePage:
    """Return the first bars that begin in the range, at most `limit`.

    A page that takes long ends early, with fewer bars or none. Raises ReadTooSlow if a single statement does.
    """
    parts, complete, following, begun = list[ValueBars](), list[NDArray[np.bool_]](), None, time.monotonic()
    with within_time(TOO_MUCH):
        for until, part, over in read_parts(wanted, limit + 1, now):
            parts.append(part)
            complete.append(over)
            if sum(map(len, parts)) > limit:
                break
            if time.monotonic() - begun > PAGE_SECONDS and until < wanted.end:
                following = until - _MOMENT
                break
    if not parts:
        return ValuePage(_no_bars(), np.empty(0, np.bool_), None)
    bars = join_bars(parts)
    page = bars.take(slice(limit))
    if len(bars) > limit:
        following = instant(int(page.time[-1]))
    return ValuePage(page, np.concatenate(complete)[:limit], following)


def read_parts(wanted: Wanted, rows: int, now: datetime) -> Iterator[tuple[datetime, ValueBars, NDArray[np.bool_]]]:
    """Yield the bars that begin in the range in parts, each with the moment that it reaches to and which have ended.

    A part has at most AT_ONCE computed bars. Stretches of which nothing is stored are left out.
    """
    exchange, timeframe, anchor = wanted.exchange, wanted.timeframe, wanted.anchor
    one = usual_length(exchange, timeframe, anchor, 1) + _DAY  # a bar begins before what it is made of
    span = usual_length(exchange, timeframe, anchor, rows)
    more = timedelta(seconds=timeframe if isinstance(timeframe, int) and anchor is Anchor.EPOCH else 0)
    at, end = wanted.begin, min(wanted.end, now)
    while at < end:
        stored = _next_stored(wanted, at - one)
        if stored is None:
            return
        at = max(at, stored - one)
        if at >= end:
            return
        until = at + min(span, end - at)
        grid = make_grid(exchange, timeframe, anchor, *dates_of(exchange, anchor, at, until + more))
        first, last = microseconds(at), microseconds(until)
        recorded = _EMPTY
        if wanted.source is not Source.COMPUTED and len(grid):
            recorded = load_recorded(wanted, instant(int(grid.begins[0])), instant(int(grid.ends[-1])))
        bars = fold_values(*recorded, grid)
        bars = bars.take((bars.time >= first) & (bars.time < last))
        missing = _missing(wanted, grid, bars.time, first, last, now)
        for reached, part in _with_computed(wanted, bars, *missing, last):
            yield instant(reached), part, ended(grid, exchange, timeframe, anchor, part.time, now)
        at = until


def _with_computed(
    wanted: Wanted, bars: ValueBars, missing: Instants, ends: Instants, last: int
) -> Iterator[tuple[int, ValueBars]]:
    """Yield recorded and computed bars in the order of time, with the moment that each part reaches to."""
    begin = 0
    for place in range(0, max(len(missing), 1), AT_ONCE):
        own = slice(place, place + AT_ONCE)
        rest = missing[place + AT_ONCE :]
        reached = int(rest[0]) if len(rest) else last
        stop = int(np.searchsorted(bars.time, reached))
        parts = [bars.take(slice(begin, stop))]
        if len(missing):
            values: tuple[Floats, NDArray[np.object_]] = compute_values(wanted, ends[own])
            parts.append(computed_bars(missing[own], *values))
        begin = stop
        yield reached, join_bars(parts)


def _missing(
    wanted: Wanted, grid: Grid, known: Instants, first: int, last: int, now: datetime
) -> tuple[Instants, Instants]:
    """Return the bars of sessions in [first, last) that have ended and are not known, and their ends."""
    if wanted.source is Source.RECORDED:
        return _EMPTY[0], _EMPTY[0]
    bars = bars_of_grid(grid)
    bars = bars[(bars >= first) & (bars < last)]
    bars = bars[~np.isin(bars, known)]
    ends = _ends(wanted, grid, bars)
    trades = [is_session(wanted.exchange, local_date(wanted.exchange, instant(end - 1))) for end in ends.tolist()]
    kept = np.array(trades, np.bool_) & (ends <= microseconds(now))
    return bars[kept], ends[kept]


def _ends(wanted: Wanted, grid: Grid, bars: Instants) -> Instants:
    timeframe = wanted.timeframe
    if grid.step or wanted.anchor is Anchor.EPOCH or timeframe == DAY:
        return grid.bar_ends(bars)
    days = [local_date(wanted.exchange, instant(bar)) for bar in bars.tolist()]
    return np.array([block_close(wanted.exchange, timeframe, day) for day in days], np.int64)


def _next_stored(wanted: Wanted, after: datetime) -> datetime | None:
    """Return the next moment of which something is stored."""
    found = []
    if wanted.source is not Source.COMPUTED:
        found.append(binary_rows(_RECORDED_FROM, {"underlying": wanted.underlying, "after": after})[0][0])
    if wanted.source is not Source.RECORDED:
        found.append(next_quote(wanted.underlying, after))
    return min((each for each in found if each is not None), default=None)


def _no_bars() -> ValueBars:
    return computed_bars(_EMPTY[0], _EMPTY[1], np.empty(0, object))
