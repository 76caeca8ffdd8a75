"""Which days of a range the database has nothing of."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from signalsite.foundation.rows import binary_rows
from timeframes.bars.requests import Asked
from timeframes.bars.stored import stored_of
from timeframes.core.grid import Anchor, dates_of, make_grid, microseconds, usual_length
from timeframes.core.sessions import is_session
from timeframes.core.timeframe import DAY, format_timeframe

MOST_DAYS = 3660
_EMPTY = """
SELECT place FROM unnest(%(begins)s::int8[], %(ends)s::int8[]) WITH ORDINALITY AS day(begins, ends, place)
WHERE NOT EXISTS (
    SELECT FROM unnest(%(intervals)s::text[]) AS i(interval) JOIN historical_data h
    ON h.instrument_key = %(key)s AND h.interval = i.interval
    AND h.time >= timestamptz 'epoch' + begins * interval '1 microsecond'
    AND h.time < timestamptz 'epoch' + ends * interval '1 microsecond')
AND NOT EXISTS (
    SELECT FROM ticks t WHERE t.instrument_key = %(key)s AND t.suspect = ''
    AND t.time >= timestamptz 'epoch' + begins * interval '1 microsecond'
    AND t.time <= timestamptz 'epoch' + ends * interval '1 microsecond')
ORDER BY place
"""
Day = tuple[date, int, int]
"""A date of the exchange, its beginning and end in microseconds."""


def missing_days(asked: Asked, limit: int, now: datetime) -> list[Day]:
    """Return the sessions of a page's range that are over and of which nothing is stored that the page can use."""
    exchange, timeframe, anchor = asked.exchange, asked.timeframe, asked.anchor
    begin = asked.begin if asked.cursor is None else max(asked.begin, asked.cursor)
    end = now if asked.end is None else min(asked.end, now)
    end = min(end, begin + min(usual_length(exchange, timeframe, anchor, limit + 1), end - begin))
    if end <= begin:
        return []
    begin = max(begin, end - timedelta(days=MOST_DAYS))
    first, last = dates_of(exchange, anchor, begin, end)
    grid = make_grid(exchange, DAY, anchor, first, last)
    days = [
        (first + timedelta(days=number), opens, closes)
        for number, (opens, closes) in enumerate(zip(grid.begins.tolist(), grid.ends.tolist(), strict=True))
    ]
    days = [
        day for day in days if day[2] <= microseconds(now) and (anchor is Anchor.EPOCH or is_session(exchange, day[0]))
    ]
    return _empty(asked, days) if days else []


def _empty(asked: Asked, days: Sequence[Day]) -> list[Day]:
    lengths = stored_of(asked.key).fitting(asked.timeframe, asked.anchor)
    rows = binary_rows(
        _EMPTY,
        {
            "key": asked.key,
            "begins": [begins for _, begins, _ in days],
            "ends": [ends for *_, ends in days],
            "intervals": [format_timeframe(each) for each in lengths],
        },
    )
    return [days[place - 1] for (place,) in rows]
