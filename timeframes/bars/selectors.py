"""Reads bars: of any timeframe, made of the stored bars and ticks of an instrument."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from signalsite.foundation.deadlines import within_time
from timeframes.bars.folding import fold_stored
from timeframes.bars.stored import Wanted
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.grid import (
    Anchor,
    Grid,
    Instants,
    dates_of,
    ended,
    instant,
    make_grid,
    microseconds,
    usual_length,
)

PAGE_SECONDS = 1.0
"""A page ends after the statement that reaches it, so that a request answers within five seconds."""
TOO_MUCH = "the bars of one page are made of too much data: ask for a smaller limit"
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """`complete`: one flag a bar. `following`: the time of the last bar if more follow, else None.

    `first`, `last`: what is stored at these times and between them decides the page, microseconds since 1970. `early`:
    the page has ended for the time it took, so that the next request may get another one.
    """

    bars: FoldedBars
    complete: np.ndarray
    following: datetime | None
    first: int
    last: int
    early: bool


def read_page(wanted: Wanted, *, limit: int, now: datetime) -> Page:
    """Return the first bars that begin in the range, at most `limit`.

    A page that takes long ends early, with fewer bars or none. Raises ReadTooSlow if a single statement does.
    """
    parts, following, begun = list[FoldedBars](), None, time.monotonic()
    first, last, full = microseconds(wanted.begin), microseconds(wanted.begin), False
    with within_time(TOO_MUCH):
        for until, grid, part in _parts(wanted, limit + 1):
            parts.append(part)
            if len(grid):
                first, last = min(first, int(grid.begins[0])), max(last, int(grid.ends[-1]))
            if full := sum(map(len, parts)) > limit:
                break
            if time.monotonic() - begun > PAGE_SECONDS and until < wanted.end:
                following = until - _MOMENT
                break
    bars = join_folded(parts)
    page = bars.take(slice(limit))
    if full:
        following = instant(int(page.time[-1]))
    early = following is not None and not full
    if following is None:
        last = max(last, microseconds(wanted.end))
    return Page(page, complete(wanted, page.time, now), following, first, last, early)


def read_all(wanted: Wanted, rows: int) -> Iterator[FoldedBars]:
    """Yield all bars that begin in the range, about `rows` at a time, without a cursor between two parts."""
    for _, _, part in _parts(wanted, rows, grow=False):
        yield part


def complete(wanted: Wanted, bars: Instants, now: datetime) -> np.ndarray:
    """Return of each bar whether it has ended at `now`."""
    if not len(bars):
        return np.empty(0, bool)
    exchange, timeframe, anchor = wanted.exchange, wanted.timeframe, wanted.anchor
    dates = dates_of(exchange, anchor, instant(int(bars[0])), instant(int(bars[-1])) + _MOMENT)
    return ended(make_grid(exchange, timeframe, anchor, *dates), exchange, timeframe, anchor, bars, now)


def _parts(wanted: Wanted, rows: int, *, grow: bool = True) -> Iterator[tuple[datetime, Grid, FoldedBars]]:
    """Yield the bars that begin in the range, in parts of about so many, each with the moment that it reaches to and
    the grid of what it was made of.

    With `grow`, each part spans twice as much time as the one before.
    """
    exchange, timeframe, anchor, stored = wanted.exchange, wanted.timeframe, wanted.anchor, wanted.stored
    lengths = stored.fitting(timeframe, anchor)
    at, end = stored.clipped(wanted.begin, wanted.end, lengths, usual_length(exchange, timeframe, anchor, 1))
    span = usual_length(exchange, timeframe, anchor, rows)
    # The last bar of a part needs what lies after the part.
    more = timedelta(seconds=timeframe if isinstance(timeframe, int) and anchor is Anchor.EPOCH else 0)
    while at < end:
        until = at + min(span, end - at)  # so many of the longest bars would end after year 9999
        grid = make_grid(exchange, timeframe, anchor, *dates_of(exchange, anchor, at, until + more))
        here = [each for each in lengths if _meets(stored.bars[each], grid)]
        ticks = stored.ticks is not None and _meets(stored.ticks, grid)
        bars = fold_stored(wanted.key, grid, here, ticks=ticks)
        yield until, grid, bars.take((bars.time >= microseconds(at)) & (bars.time < microseconds(until)))
        at, span = until, span * (2 if grow else 1)


def _meets(extent: Sequence[datetime], grid: Grid) -> bool:
    return microseconds(extent[1]) >= grid.begins[0] and microseconds(extent[0]) <= grid.ends[-1]
