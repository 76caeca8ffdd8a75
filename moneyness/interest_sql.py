"""The newest stored open interest of an instrument: of its quotes, else of its bars. Parts of statements.

Each joins a row of `signals_instrument` as `i` to the columns `interest` and `time`, null where nothing is stored.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from timeframes.core.exchanges import exchange_named
from timeframes.core.sessions import is_session, local_date

LONGEST_BREAK = timedelta(days=14)
"""Between sessions, and of the newest open interest. No exchange closes for longer."""


class InterestDay(NamedTuple):
    """When a day begins and ends at its exchange, and when the day of the session before it began.

    What is stored in between is of that session. Without a session in LONGEST_BREAK, `before` is the beginning.
    """

    before: datetime
    begin: datetime
    end: datetime


@lru_cache(maxsize=4096)
def interest_day(exchange: str, day: date) -> InterestDay:
    """Weekends and holidays have no session; at exchanges that never close each day has one."""
    zone, one = exchange_named(exchange).zone, timedelta(days=1)
    earlier = (day - number * one for number in range(1, LONGEST_BREAK.days + 1))
    before = next((each for each in earlier if is_session(exchange, each)), day)
    bounds = (datetime.combine(each, time(), zone) for each in (before, day, day + one))
    return InterestDay(*bounds)


def interest_days(exchanges: Iterable[str], as_of: datetime) -> dict[str, list[Any]]:
    """Return the days on which the newest open interest may have been told, as columns for a statement."""
    named = sorted(set(exchanges))
    back = [timedelta(days=number) for number in range(LONGEST_BREAK.days + 1)]
    days = [(each, interest_day(each, local_date(each, as_of) - ago)) for each in named for ago in back]
    return {
        "day_exchanges": [exchange for exchange, _ in days],
        "day_befores": [day.before for _, day in days],
        "day_begins": [day.begin for _, day in days],
    }


OF_QUOTES = """
LEFT JOIN LATERAL (
    SELECT open_interest AS interest, time FROM timeframes_quote
    WHERE instrument_key = i.key AND time <= {until} AND time > {after} AND open_interest IS NOT NULL
    ORDER BY time DESC LIMIT 1
) {name} ON true
"""
OF_BARS = """
LEFT JOIN LATERAL (
    WITH RECURSIVE one(interval) AS (
        (SELECT h.interval FROM historical_data h WHERE h.instrument_key = i.key ORDER BY h.interval LIMIT 1)
        UNION ALL
        SELECT (SELECT h.interval FROM historical_data h
                WHERE h.instrument_key = i.key AND h.interval > one.interval ORDER BY h.interval LIMIT 1)
        FROM one WHERE one.interval IS NOT NULL
    )
    SELECT h.interest, h.time FROM one CROSS JOIN LATERAL (
        SELECT b.oi::float8 AS interest, b.time + one.interval::interval AS time FROM historical_data b
        WHERE b.instrument_key = i.key AND b.interval = one.interval AND one.interval::interval < interval '1 day'
          AND b.time <= {until} - one.interval::interval AND b.time > {after} - one.interval::interval
          AND b.oi IS NOT NULL
        ORDER BY b.time DESC LIMIT 1
    ) h
    WHERE {unless} IS NULL ORDER BY h.time DESC LIMIT 1
) {name} ON true
"""
