"""What becomes of due moments that have passed. Pure.

The newest one runs, unless it is too late for it. All before it are missed: one row stands for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_AT_ONCE = 500
"""Due moments that are counted one by one. After a longer outage the next look goes on with those that follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """`runs`: the moment that runs, None if it is too late. `missed`: the last moment that does not run, and
    `missed_before`: how many missed ones came before it. `following`: the next due moment."""

    runs: datetime | None
    missed: datetime | None
    missed_before: int
    following: datetime | None


def passed(
    first: datetime,
    now: datetime,
    after: Callable[[datetime], datetime | None],
    *,
    period: timedelta | None,
    patience: timedelta,
) -> Passed:
    """Return what becomes of the due moments in [first, now]. `first` is due.

    `after`: the next due moment after a moment. `period`: where due moments are equally far apart, how far. `patience`:
    how much later than its due moment a run may start.
    """
    newest, before, count = first, None, 1
    if period is not None:
        steps = (now - first) // period
        newest, count = first + steps * period, steps + 1
        before = newest - period if steps else None
    following = after(newest)
    while following is not None and following <= now and count < MOST_AT_ONCE:
        before, newest, count = newest, following, count + 1
        following = after(newest)
    last = following is None or following > now
    if last and now - newest <= patience:
        return Passed(runs=newest, missed=before, missed_before=max(count - 2, 0), following=following)
    return Passed(runs=None, missed=newest, missed_before=count - 1, following=following)
