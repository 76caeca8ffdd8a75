"""Reads bars: of any timeframe, made of the stored bars and ticks of an instrument."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from signalsite.foundation.errors import InvalidInput, StorageTooSlow
from signalsite.foundation.rows import binary_rows
from timeframes.bars.folding import fold_stored
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.grid import (
    Anchor,
    Instants,
    block_close,
    check_anchor,
    dates_of,
    instant,
    make_grid,
    microseconds,
    usual_length,
)
from timeframes.core.timeframe import DAY, Months, Timeframe, format_timeframe, parse_timeframe

PAGE_SECONDS, STATEMENT_SECONDS = 1.0, 3
"""A page ends after the statement that reaches PAGE_SECONDS, so that a request answers within five seconds."""
_MOMENT = timedelta(microseconds=1)
# A loose index scan: one probe an interval, not one a bar.
_STORED = """
WITH RECURSIVE found(interval) AS (
    (SELECT h.interval FROM historical_data h WHERE h.instrument_key = %(key)s ORDER BY h.interval LIMIT 1)
    UNION ALL
    SELECT (SELECT h.interval FROM historical_data h WHERE h.instrument_key = %(key)s AND h.interval > found.interval
            ORDER BY h.interval LIMIT 1)
    FROM found WHERE found.interval IS NOT NULL
)
SELECT interval,
       (SELECT min(time) FROM historical_data h WHERE h.instrument_key = %(key)s AND h.interval = found.interval),
       (SELECT max(time) FROM historical_data h WHERE h.instrument_key = %(key)s AND h.interval = found.interval)
FROM found WHERE interval IS NOT NULL
UNION ALL
SELECT '', min(time), max(time) FROM ticks t WHERE t.instrument_key = %(key)s
"""


class PageTooSlow(StorageTooSlow):
    """One page is made of more data than can be read in time."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The first and the last moment of what is stored of an instrument: bars by their seconds, and ticks."""

    bars: dict[int, tuple[datetime, datetime]]
    ticks: tuple[datetime, datetime] | None

    def __bool__(self) -> bool:
        return bool(self.bars or self.ticks)

    def fitting(self, timeframe: Timeframe, anchor: Anchor) -> list[int]:
        """Return the lengths of stored bars that bars of this timeframe can be made of."""
        dates = isinstance(timeframe, Months) or (anchor is Anchor.SESSION and timeframe >= DAY)
        return [each for each in sorted(self.bars) if dates or timeframe % each == 0]  # type: ignore[operator]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """`complete`: one flag a bar. `following`: the time of the last bar if more follow, else None."""

    bars: FoldedBars
    complete: np.ndarray
    following: datetime | None


def stored_of(key: str) -> Stored:
    bars, ticks = {}, None
    for interval, first, last in binary_rows(_STORED, {"key": key}):
        if interval:
            seconds = parse_timeframe(interval)
            assert isinstance(seconds, int)  # record_bars stores no other
            bars[seconds] = (first, last)
        elif first is not None:
            ticks = (first, last)
    return Stored(bars, ticks)


def check_made(key: str, stored: Stored, timeframe: Timeframe, anchor: Anchor) -> None:
    """Raise InvalidInput for a timeframe in which nothing stored of the instrument fits."""
    check_anchor(timeframe, anchor)
    if stored and stored.ticks is None and not stored.fitting(timeframe, anchor):
        lengths = ", ".join(map(format_timeframe, sorted(stored.bars)))
        raise InvalidInput(
            "timeframe",
            f"{format_timeframe(timeframe)} bars of {key} cannot be made: only {lengths} bars of it are stored, and no "
            "ticks",
        )


def read_page(
    key: str,
    exchange: str,
    timeframe: Timeframe,
    anchor: Anchor,
    *,
    begin: datetime,
    end: datetime,
    limit: int,
    stored: Stored,
    now: datetime,
) -> Page:
    """Return the first bars that begin in [begin, end), at most `limit`.

    A page that takes long ends early, with fewer bars or none. Raises PageTooSlow if a single statement does.
    """
    parts, following, begun = list[FoldedBars](), None, time.monotonic()
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}")
            for until, part in _parts(key, exchange, timeframe, anchor, begin, end, limit + 1, stored):
                parts.append(part)
                if sum(map(len, parts)) > limit:
                    break
                if time.monotonic() - begun > PAGE_SECONDS and until < end:
                    following = until - _MOMENT
                    break
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise PageTooSlow("the bars of one page are made of too much data: ask for a smaller limit") from error
        raise
    bars = join_folded(parts)
    page = bars.take(slice(limit))
    if len(bars) > limit:
        following = instant(int(page.time[-1]))
    return Page(page, complete(exchange, timeframe, anchor, page.time, now), following)


def read_all(
    key: str,
    exchange: str,
    timeframe: Timeframe,
    anchor: Anchor,
    *,
    begin: datetime,
    end: datetime,
    rows_a_part: int,
    stored: Stored,
) -> Iterator[FoldedBars]:
    """Yield all bars that begin in [begin, end), about `rows_a_part` at a time, without a cursor between two parts."""
    for _, part in _parts(key, exchange, timeframe, anchor, begin, end, rows_a_part, stored, grow=False):
        yield part


def complete(exchange: str, timeframe: Timeframe, anchor: Anchor, bars: Instants, now: datetime) -> np.ndarray:
    """Return of each bar whether it has ended at `now`."""
    if not len(bars):
        return np.empty(0, bool)
    first, last = dates_of(exchange, anchor, instant(int(bars[0])), instant(int(bars[-1])) + _MOMENT)
    at = microseconds(now)
    ended: np.ndarray = make_grid(exchange, timeframe, anchor, first, last).bar_ends(bars) <= at
    if anchor is Anchor.SESSION and not ended[-1] and bars[-1] <= at:
        # The last session of the block may be over although its last date is not. Only then ask the calendar.
        dates = isinstance(timeframe, Months) or timeframe > DAY
        ended[-1] = dates and block_close(exchange, timeframe, last) <= at
    return ended


def _parts(
    key: str,
    exchange: str,
    timeframe: Timeframe,
    anchor: Anchor,
    begin: datetime,
    end: datetime,
    rows: int,
    stored: Stored,
    *,
    grow: bool = True,
) -> Iterator[tuple[datetime, FoldedBars]]:
    """Yield the bars that begin in [begin, end), in parts of about so many, each with the moment that it reaches to.

    With `grow`, each part spans twice as much time as the one before.
    """
    lengths = stored.fitting(timeframe, anchor)
    extents = [stored.bars[each] for each in lengths] + ([stored.ticks] if stored.ticks else [])
    if not extents:
        return
    one = usual_length(exchange, timeframe, anchor, 1) + timedelta(days=1)  # a bar begins before what it is made of
    at = max(begin, min(first for first, _ in extents) - one)
    end = min(end, max(last for _, last in extents) + _MOMENT)
    span = usual_length(exchange, timeframe, anchor, rows)
    whole = timedelta(seconds=timeframe) if isinstance(timeframe, int) else timedelta(0)
    while at < end:
        until = min(end, at + span)
        first, last = dates_of(exchange, anchor, at, until + (whole if anchor is Anchor.EPOCH else timedelta(0)))
        grid = make_grid(exchange, timeframe, anchor, first, last)
        here = [each for each in lengths if _meets(stored.bars[each], grid.begins, grid.ends)]
        ticks = stored.ticks is not None and _meets(stored.ticks, grid.begins, grid.ends)
        bars = fold_stored(key, grid, here, ticks=ticks)
        yield until, bars.take((bars.time >= microseconds(at)) & (bars.time < microseconds(until)))
        at, span = until, span * (2 if grow else 1)


def _meets(extent: Sequence[datetime], begins: Instants, ends: Instants) -> bool:
    return microseconds(extent[1]) >= begins[0] and microseconds(extent[0]) <= ends[-1]
