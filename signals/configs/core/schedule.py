"""When a configuration is due. Pure: the clock is passed in.

Each frequency is a set of moments from 1970 to 2200, which depends on nothing but the exchange, the interval and the
anchor. So an interval that is cut in two has the same moments in its parts.

- A period counts from 1970-01-01T00:00Z. `hourly` is each time the exchange's clocks show that minute, so 24 a day, 23
  or 25 when they change.
- `daily`, `open` and `close` are on sessions of the exchange. A holiday is left out.
- `weekly` and `monthly` are on the named day, or on the next session where it has none. `monthly@31` is on the last day
  of a shorter month. `monthly@last` is on the month's last session.
- A time of day that the clocks skip is the first moment after the gap. One that they show twice is the first of both.
- Half days: without a time, and for `close`, the session's own close counts.
- `bar` is the close of each bar of `timeframes.core.grid` under the anchor. Sessions' last bars are shorter. Under
  anchor `session`, dates without a session have no bars, and a bar of several days closes with its last session.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from signals.configs.core.frequency import LAST, Every, Frequency
from signalsite.foundation.errors import InvalidInput
from timeframes.core import sessions
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, block_close, blocks, check_anchor, default_anchor, instant, microseconds
from timeframes.core.timeframe import DAY, WEEK, Months, Timeframe, parse_timeframe

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000  # microseconds
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MONDAY = date(1969, 12, 29)  # weeks count from it
_LONGEST_CLOSURE = timedelta(days=35)  # no exchange is closed for so long


def due_after(
    frequency: Frequency, moment: datetime, *, exchange: str, interval: str | None, anchor: str | None
) -> datetime | None:
    """Return the first due moment after `moment`, in UTC; None if there is none before 2200.

    Raises InvalidInput for an unknown exchange, and for `bar` without an interval or under an anchor that has none.
    """
    if moment >= END:
        return None
    moment = FIRST - _MICROSECOND if moment < FIRST else moment.astimezone(UTC)
    if frequency.every is Every.SECONDS:
        found: datetime | None = _step_after(moment, frequency.seconds, origin=FIRST)
    elif frequency.every is Every.HOUR:
        found = _hour_after(moment, frequency.minute or 0, exchange)
    elif frequency.every is Every.BAR:
        found = _bar_after(moment, exchange, interval, anchor)
    else:
        found = next((due for due in _moments(frequency, moment, exchange) if due > moment), None)
    return found if found is not None and found < END else None


def should_execute(
    frequency: Frequency,
    before: datetime,
    now: datetime,
    *,
    exchange: str,
    interval: str | None,
    anchor: str | None,
) -> bool:
    """Return whether a moment in (before, now] is due (S35). `now` may be a back-test's."""
    due = due_after(frequency, before, exchange=exchange, interval=interval, anchor=anchor)
    return due is not None and due <= now


def _step_after(moment: datetime, seconds: int, *, origin: datetime) -> datetime:
    """Return the first moment after `moment` that is whole steps from the origin."""
    step = seconds * _SECOND
    start = microseconds(origin)
    return instant(start + ((microseconds(moment) - start) // step + 1) * step)


def _hour_after(moment: datetime, minute: int, exchange: str) -> datetime:
    zone = exchange_named(exchange).zone

    # Since 1970 the clocks of all exchanges have changed by whole hours, so any offset gives the same minute.
    offset = moment.astimezone(zone).utcoffset() or timedelta(0)
    return _step_after(moment, 3600, origin=FIRST + timedelta(minutes=minute) - offset)


def _moments(frequency: Frequency, moment: datetime, exchange: str) -> Iterator[datetime]:
    """Yield the due moments of a frequency of days, ascending, from one at or before `moment`, or from the first."""
    offset = timedelta(seconds=frequency.seconds)
    today = sessions.local_date(exchange, max(moment - offset, FIRST))
    match frequency.every:
        case Every.OPEN:
            yield from (sessions.session_open(exchange, day) + offset for day in _sessions(exchange, today - _DAY))
        case Every.CLOSE:
            yield from (sessions.session_close(exchange, day) + offset for day in _sessions(exchange, today - _DAY))
        case Every.DAY:
            yield from (clock_on(exchange, day, frequency.minute) for day in _sessions(exchange, today - _DAY))
        case Every.WEEK:
            yield from (clock_on(exchange, day, frequency.minute) for day in _weekly(exchange, today, frequency.day))
        case Every.MONTH:
            yield from (clock_on(exchange, day, frequency.minute) for day in _monthly(exchange, today, frequency.day))


def _sessions(exchange: str, first: date) -> Iterator[date]:
    day = first
    while day <= END.date():
        if _is_session(exchange, day):
            yield day
        day += _DAY


def _weekly(exchange: str, today: date, weekday: int) -> Iterator[date]:
    day = today - _LONGEST_CLOSURE
    day += timedelta(days=(weekday - day.weekday()) % 7)
    while day <= END.date():
        yield next(_sessions(exchange, day), day)
        day += _WEEK


def _monthly(exchange: str, today: date, number: int) -> Iterator[date]:
    month = (today - _LONGEST_CLOSURE).replace(day=1)
    while month <= END.date():
        last = month.replace(day=monthrange(month.year, month.month)[1])
        if number == LAST:
            yield _last_session(exchange, month, last)
        else:
            yield next(_sessions(exchange, min(last, month + timedelta(days=number - 1))), last)
        month = last + _DAY


def _last_session(exchange: str, first: date, last: date) -> date:
    """Return the last session of these dates, and the last date if there is none."""
    days = (last - timedelta(days=back) for back in range((last - first).days + 1))
    return next((day for day in days if _is_session(exchange, day)), last)


@lru_cache(maxsize=65_536)
def _is_session(exchange: str, day: date) -> bool:
    return sessions.is_session(exchange, day)


@lru_cache(maxsize=65_536)
def clock_on(exchange: str, day: date, minute: int | None) -> datetime:
    """Return when the exchange's clocks show this minute of `day`. None: the close of its session."""
    if minute is None:
        return sessions.session_close(exchange, day)
    zone = exchange_named(exchange).zone
    shown = datetime.combine(day, time(minute // 60, minute % 60), zone)
    found = shown.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None):
        return found
    # Skipped. With the offset of after the gap it falls before the gap, with that of before it falls after.
    before, after = shown.replace(fold=1).astimezone(UTC), found
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == after.astimezone(zone).utcoffset():
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def _bar_after(moment: datetime, exchange: str, interval: str | None, anchor: str | None) -> datetime | None:
    if interval is None:
        raise InvalidInput("frequency", "bar needs an interval: write one, such as 5m, or another frequency")
    timeframe = parse_timeframe(interval)
    under = Anchor(anchor) if anchor else default_anchor(exchange)
    check_anchor(timeframe, under)
    if under is Anchor.EPOCH:
        if isinstance(timeframe, int):
            origin = datetime.combine(_MONDAY, time(0), UTC) if timeframe % WEEK == 0 else FIRST
            return _step_after(moment, timeframe, origin=origin)
        return next(datetime.combine(until, time(0), UTC) for _, until in blocks(timeframe, moment.date(), END.date()))
    today = sessions.local_date(exchange, moment)
    if isinstance(timeframe, Months) or timeframe >= DAY:
        return _block_after(moment, exchange, timeframe, today)
    for day in _sessions(exchange, today - _DAY):
        if moment < (close := sessions.session_close(exchange, day)):
            begin = sessions.session_open(exchange, day)
            return min(close, _step_after(max(moment, begin), timeframe, origin=begin))
    return None


def _block_after(moment: datetime, exchange: str, timeframe: Timeframe, today: date) -> datetime | None:
    for begin, until in blocks(timeframe, today - _DAY, END.date()):
        closes = instant(block_close(exchange, timeframe, begin))
        if closes > moment and next(_sessions(exchange, begin), until) < until:
            return closes
    return None
