"""Where bars begin and end: the grid of a timeframe on an exchange, under an anchor.

Anchor `session`: bars follow the exchange's sessions. What lies outside a session's hours is in no bar.
- Up to a day, bars count from the opening, so a 7-minute bar begins there, and the last one ends at the close.
- A whole number of days is a block of so many dates of the exchange, whether it trades on them or not. Blocks count
  from 1 January 1970, blocks of whole weeks from a Monday. Months are calendar months, in blocks from January 1970.
  Such a bar has the time of the opening of its block's first date (of the regular one, if that is no session).

Anchor `epoch`: bars count from 1970-01-01T00:00Z, whole weeks from Monday 1969-12-29, months by UTC. All data is in a
bar. A date is a UTC date.

An exchange has the anchor `session` by default, and a crypto exchange `epoch`.

Times are int64, microseconds since 1970 in UTC.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.sessions import is_session, local_date, session_close, session_open
from timeframes.core.timeframe import DAY, WEEK, Months, Timeframe, format_timeframe

SECOND = 1_000_000  # microseconds
Instants = NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1)
_MONDAY = date(1969, 12, 29)  # the Monday before the epoch
_MICROSECOND = timedelta(microseconds=1)


class Anchor(StrEnum):
    SESSION = "session"
    EPOCH = "epoch"


def default_anchor(exchange: str) -> Anchor:
    """Return the anchor of an exchange: epoch for crypto. Raises InvalidInput for an unknown one."""
    return Anchor.EPOCH if exchange_named(exchange).asset == "crypto" else Anchor.SESSION


def microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The stretches of a range of dates, one a date, ascending and apart. Data between stretches is in no bar.

    `begins`, `ends`: of each stretch. `step`: bars count in steps from `origin`; 0 where each stretch lies in one bar,
    which begins at `label`. `origin` is also where the bars of finer timeframes count from. `block_ends`: the close of
    the last date of the block, only where `step` is 0. `cut`: a bar ends with its stretch. `closes`: a tick at the very
    end of a stretch (the closing moment of a session) is its last, and not outside.
    """

    begins: Instants
    ends: Instants
    origin: Instants
    label: Instants
    block_ends: Instants
    step: int
    cut: bool
    closes: bool

    def __len__(self) -> int:
        return len(self.begins)

    def place(self, time: Instants, *, ticks: bool = False) -> NDArray[np.intp]:
        """Return the stretch of each time, -1 outside all."""
        if not len(self):
            return np.full(len(time), -1, np.intp)
        found = np.searchsorted(self.begins, time, "right") - 1
        ends = self.ends[found]
        inside = (time <= ends) if ticks and self.closes else (time < ends)
        return np.where((found >= 0) & inside, found, -1)

    def bar(self, time: Instants, place: NDArray[np.intp]) -> Instants:
        """Return the beginning of the bar that each time lies in. `place` is that of `place()`, nowhere -1."""
        if not self.step:
            return self.label[place]
        return floor(np.minimum(time, self.ends[place] - 1), self.origin[place], self.step)

    def bar_ends(self, bars: Instants) -> Instants:
        """Return when each of these bars of the grid ends; for blocks of dates see `block_close` too."""
        if self.step:
            place = np.maximum(np.searchsorted(self.begins, bars, "right") - 1, 0)
            return np.minimum(bars + self.step, self.ends[place]) if self.cut else bars + self.step
        return self.block_ends[np.searchsorted(self.label, bars, "left")]


def floor(time: Instants, origin: Instants | int, step: int) -> Instants:
    """Return the last moment, at or before each time, that is whole steps from the origin."""
    return time - (time - origin) % step


def check_anchor(timeframe: Timeframe, anchor: Anchor) -> None:
    """Raise InvalidInput for a timeframe that has no meaning under this anchor."""
    if anchor is Anchor.SESSION and isinstance(timeframe, int) and timeframe > DAY and timeframe % DAY:
        raise InvalidInput(
            "timeframe",
            f"{format_timeframe(timeframe)} is longer than a session and no whole number of days: write days, such as "
            "2d, or anchor=epoch",
        )


def make_grid(exchange: str, timeframe: Timeframe, anchor: Anchor, first: date, last: date) -> Grid:
    """Return the grid of the bars that touch the dates from `first` to `last`; whole blocks of them.

    Dates are the exchange's for anchor session, UTC's for epoch. Raises InvalidInput, see `check_anchor`.
    """
    check_anchor(timeframe, anchor)
    if anchor is Anchor.EPOCH:
        return _epoch_grid(timeframe, first, last)
    if isinstance(timeframe, int) and timeframe < DAY:
        hours = np.array([_hours(exchange, day) for day in _days(first, last)], np.int64).reshape(-1, 2)
        begins, ends = np.ascontiguousarray(hours.T)
        step, nothing = timeframe * SECOND, np.empty(0, np.int64)
        return Grid(begins, ends, begins, begins, nothing, step, cut=True, closes=_closes(exchange))
    rows = [
        (*_hours(exchange, day), _hours(exchange, begin)[0], _hours(exchange, until - timedelta(days=1))[1])
        for begin, until in blocks(timeframe, first, last)
        for day in _days(begin, until - timedelta(days=1))
    ]
    begins, ends, label, block_ends = np.ascontiguousarray(np.array(rows, np.int64).reshape(-1, 4).T)
    return Grid(begins, ends, begins, label, block_ends, 0, cut=True, closes=_closes(exchange))


def block_close(exchange: str, timeframe: Timeframe, day: date) -> int:
    """Return the close of the last session of the block of dates that `day` lies in, under anchor session.

    Asks the exchange's calendar. A block without a session closes with its last date.
    """
    begin, until = next(blocks(timeframe, day, day))
    last = until - timedelta(days=1)
    found = last
    while found > begin and not is_session(exchange, found):
        found -= timedelta(days=1)
    return _hours(exchange, found if found > begin or is_session(exchange, begin) else last)[1]


def dates_of(exchange: str, anchor: Anchor, begin: datetime, end: datetime) -> tuple[date, date]:
    """Return the first and the last date of [begin, end), as `make_grid` counts dates."""
    last = max(begin, end - _MICROSECOND)
    if anchor is Anchor.EPOCH:
        return begin.astimezone(UTC).date(), last.astimezone(UTC).date()
    return local_date(exchange, begin), local_date(exchange, last)


def ended(
    grid: Grid, exchange: str, timeframe: Timeframe, anchor: Anchor, bars: Instants, now: datetime
) -> NDArray[np.bool_]:
    """Return of each of these bars of the grid, ascending, whether it has ended at `now`."""
    at = microseconds(now)
    found = grid.bar_ends(bars) <= at
    if len(bars) and anchor is Anchor.SESSION and not found[-1] and bars[-1] <= at:
        # The last session of a block may be over although its last date is not. Only then ask the calendar.
        dates = isinstance(timeframe, Months) or timeframe > DAY
        found[-1] = dates and block_close(exchange, timeframe, local_date(exchange, instant(int(bars[-1])))) <= at
    return found


def bars_within(timeframe: Timeframe, days: float) -> int:
    """Return a bound of the number of bars that begin in so many days: no fewer than there can be."""
    if isinstance(timeframe, Months):
        return int(days / 28 / timeframe.count) + 2
    return int(days * DAY / timeframe) + (int(days) if timeframe < DAY else 0) + 3  # each session ends with a cut bar


def bars_at_most(exchange: str | None, timeframe: Timeframe, anchor: Anchor | None, days: float) -> int:
    """Return a bound as `bars_within` does, which is closer where an exchange has sessions. None: of any exchange.

    `anchor` None: the exchange's own.
    """
    most = bars_within(timeframe, days)
    if exchange is None or isinstance(timeframe, Months) or timeframe >= DAY:
        return most
    if (anchor or default_anchor(exchange)) is Anchor.EPOCH:
        return most
    return min(most, (int(days) + 2) * -(-_longest_session(exchange) // timeframe))


def usual_length(exchange: str, timeframe: Timeframe, anchor: Anchor, bars: int) -> timedelta:
    """Return about how much time so many bars in a row take, weekends and nights included."""
    if isinstance(timeframe, Months):
        return timedelta(days=31 * timeframe.count * bars)
    hours = exchange_named(exchange).hours[0]
    if anchor is Anchor.EPOCH or hours.closes is None or timeframe >= DAY:
        return timedelta(seconds=timeframe * bars)
    seconds = (datetime.combine(_FIRST_DAY, hours.closes) - datetime.combine(_FIRST_DAY, hours.opens)).seconds
    sessions = -(-bars // max(seconds // timeframe, 1))
    return timedelta(days=sessions * 7 // 5 + 1)


def _epoch_grid(timeframe: Timeframe, first: date, last: date) -> Grid:
    if isinstance(timeframe, Months):
        stretches = [
            (_midnight(begin), _midnight(until), day)
            for begin, until in blocks(timeframe, first, last)
            for day in _days(begin, until - timedelta(days=1))
        ]
        label, block_ends = (np.array([row[place] for row in stretches], np.int64) for place in (0, 1))
        begins = np.array([_midnight(day) for *_, day in stretches], np.int64)
        return Grid(begins, begins + DAY * SECOND, np.zeros_like(begins), label, block_ends, 0, cut=True, closes=False)
    step = timeframe * SECOND
    origin = _midnight(_MONDAY) if timeframe % WEEK == 0 else 0
    begin = _midnight(first) - (_midnight(first) - origin) % step
    until = _midnight(last) + DAY * SECOND + step - 1
    until -= (until - origin) % step
    midnights = range(begin // (DAY * SECOND) * DAY * SECOND, until, DAY * SECOND)
    begins = np.array(midnights, np.int64)
    ends, nothing = begins + DAY * SECOND, np.empty(0, np.int64)
    return Grid(begins, ends, np.full_like(begins, origin), begins, nothing, step, cut=False, closes=False)


def blocks(timeframe: Timeframe, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield the first date of each block that touches the dates, and the first after it. `timeframe`: whole days."""
    if isinstance(timeframe, Months):
        count = timeframe.count
        number = ((first.year - 1970) * 12 + first.month - 1) // count
        while (begin := _month(number * count)) <= last:
            number += 1
            yield begin, _month(number * count)
        return
    days = timeframe // DAY
    origin = _MONDAY if timeframe % WEEK == 0 else _FIRST_DAY
    begin = origin + timedelta(days=(first - origin).days // days * days)
    while begin <= last:
        until = begin + timedelta(days=days)
        yield begin, until
        begin = until


def _month(number: int) -> date:
    return date(1970 + number // 12, number % 12 + 1, 1)


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _midnight(day: date) -> int:
    return (day - _FIRST_DAY).days * DAY * SECOND


def _closes(exchange: str) -> bool:
    return exchange_named(exchange).hours[0].closes is not None


@lru_cache(maxsize=64)
def _longest_session(exchange: str) -> int:
    found = exchange_named(exchange)
    hours = [(each.opens, each.closes) for each in found.hours] + list(found.special.values())
    return max(_seconds(closes) - _seconds(opens) if closes else DAY for opens, closes in hours)


def _seconds(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second


@lru_cache(maxsize=65_536)
def _hours(exchange: str, day: date) -> tuple[int, int]:
    return microseconds(session_open(exchange, day)), microseconds(session_close(exchange, day))
