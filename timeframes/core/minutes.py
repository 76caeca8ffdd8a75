"""The minutes of many instruments at once: where they lie, and the fold of ticks into them.

A minute is a 1-minute bar of the exchange's own grid (`timeframes.core.grid`, default anchor). The live consumer folds
ticks as they come, and again from the table where they came late; both call `fold_minutes`, which merges as `fold`
does.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bars import NUMBERS, BarColumns, Floats, FoldedBars, TickColumns
from timeframes.core.fold import bars_of_ticks, highest_before, merge, run_starts
from timeframes.core.grid import Grid, Instants, dates_of, default_anchor, instant, make_grid

MINUTE = 60  # seconds
NOWHERE = -(2**62)
"""The minute of a tick outside all sessions."""


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """Of each tick: the beginning and the end of its minute, and the beginning of its session (or UTC date).

    A session's closing moment is the end of its last minute and belongs to it.
    """

    begin: Instants
    end: Instants
    session: Instants

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Minutes":
        return Minutes(self.begin[chosen], self.end[chosen], self.session[chosen])


def place_minutes(exchange: str, time: Instants) -> Minutes:
    """Return the minutes of ticks. Those outside all sessions have NOWHERE."""
    begin, end, session = (np.full(len(time), NOWHERE, np.int64) for _ in range(3))
    rest = np.ones(len(time), bool)
    anchor = default_anchor(exchange)
    while rest.any():
        # Live ticks are of one date or two: a round each. Late ones may be of any.
        at = instant(int(time[np.argmax(rest)]))
        day, _ = dates_of(exchange, anchor, at, at)
        grid = _grid_around(exchange, day)
        here = rest & (time >= grid.begins[0]) & (time < grid.ends[-1])
        here[np.argmax(rest)] = True
        where = np.flatnonzero(here)
        place = grid.place(time[where], ticks=True)
        where, place = where[place >= 0], place[place >= 0]
        begin[where] = grid.bar(time[where], place)
        session[where] = grid.begins[place]
        end[where] = grid.bar_ends(begin[where])
        rest &= ~here
    return Minutes(begin, end, session)


def earlier_session(exchange: str, time: int) -> int:
    """Return the opening of the session before the date of this moment: all data of the date lies after it."""
    at = instant(time)
    return int(_grid_around(exchange, dates_of(exchange, default_anchor(exchange), at, at)[0]).begins[0])


@lru_cache(256)
def _grid_around(exchange: str, day: date) -> Grid:
    """Return the grid of a date and its neighbours."""
    one = timedelta(days=1)
    return make_grid(exchange, MINUTE, default_anchor(exchange), day - one, day + one)


@dataclass(frozen=True, slots=True, eq=False)
class FoldedMinutes:
    """Bars by instrument, ascending. `group`: the instrument's number; `minutes`: where each bar lies.

    `before`, `highest`: the highest volume of the session before the bar, and with it; 0 where no tick has told one.
    `last`: the place of the bar's last tick among those given.
    """

    group: NDArray[np.intp]
    bars: FoldedBars
    minutes: Minutes
    before: Floats
    highest: Floats
    last: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.group)

    def take(self, chosen: NDArray[np.intp]) -> "FoldedMinutes":
        return FoldedMinutes(
            self.group[chosen],
            self.bars.take(chosen),
            self.minutes.take(chosen),
            self.before[chosen],
            self.highest[chosen],
            self.last[chosen],
        )


def fold_minutes(
    group: NDArray[np.intp],
    ticks: TickColumns,
    minutes: Minutes,
    known: Floats,
    opened: BarColumns | None = None,
    of_group: NDArray[np.intp] | None = None,
) -> FoldedMinutes:
    """Fold ticks that are sorted by instrument, time and entry, all of them in a minute.

    `known`: of each tick, the highest volume that its session has had before these ticks. `opened`: bars begun by
    earlier ticks, of the instruments `of_group`, which the first ticks here continue; sorted by instrument.
    """
    run = run_starts(group, minutes.session)
    before = highest_before(ticks.volume, run, known[run])
    highest = np.fmax(before, ticks.volume)
    parts = bars_of_ticks(ticks.time, ticks.price, ticks.volume, ticks.open_interest, before)
    starts = run_starts(group, minutes.begin)
    last = np.append(starts[1:], len(group))[: len(starts)] - 1
    bar, merged = minutes.begin, starts
    if opened is not None and of_group is not None and len(opened):
        firsts = np.searchsorted(group, of_group)
        columns = {name: np.insert(getattr(parts, name), firsts, getattr(opened, name)) for name in ("time", *NUMBERS)}
        parts, bar = BarColumns(**columns), np.insert(bar, firsts, opened.time)
        merged = starts + np.searchsorted(firsts, starts, "left")
    return FoldedMinutes(
        group[starts], merge(parts, bar, merged), minutes.take(starts), before[starts], highest[last], last
    )
