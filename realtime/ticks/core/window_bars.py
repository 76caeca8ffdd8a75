"""The last bars of instruments in memory, each tick folded into the forming one: what is computed with a tick sees it.

The bars that are stored and published are folded a batch later, when its ticks are in the table (`bar_book`). These are
folded in the cycle, from the same ticks by the same rules, and joined to what the tables have whenever that is read
(`load`): ticks that came meanwhile may be in both. A late tick is folded into its bar. One from before all that were
folded here makes its lane doubtful: it is loaded again, and has no values until then.

A series is a timeframe of an exchange. Bars of a lane are at `end` and before; NaN where there are none. Times are
int64, microseconds since 1970.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.window_kernels import (
    CHANGED,
    COLUMNS,
    EARLY,
    HIGH,
    HIGHEST,
    IN_TIME,
    LATE,
    LOW,
    MARKED,
    NEVER,
    NOWHERE,
    OPEN,
    OUTSIDE,
    SESSION,
    TIME,
    VOLUME,
    fold,
    gather,
)
from timeframes.core.bars import BarColumns, Floats
from timeframes.core.grid import SECOND, Anchor, Grid, dates_of, instant, make_grid
from timeframes.core.minutes import MINUTE
from timeframes.core.timeframe import Timeframe, format_timeframe

TOGETHER = 256  # a lane has room for so many new bars
NAMES = ("open", "high", "low", "close", "volume", "timestamp", "session")
Ints = NDArray[np.int64]
Made = TypeVar("Made")


class OnDemand(dict[str, Made]):
    """Columns by name, each made when it is first asked for: most computations need one or two."""

    def __init__(self, make: Callable[[str], Made]) -> None:
        self._make = make

    def __missing__(self, name: str) -> Made:
        made = self[name] = self._make(name)
        return made


@dataclass(frozen=True, slots=True)
class SeriesKind:
    exchange: str
    timeframe: Timeframe
    anchor: Anchor

    @property
    def text(self) -> str:
        return f"{format_timeframe(self.timeframe)} of {self.exchange}, {self.anchor}"

    def place(self, time: Ints) -> tuple[Ints, Ints]:
        """Return the beginnings of the bars that ticks of these times lie in, and of their sessions.

        NOWHERE: outside all sessions.
        """
        begin, session = np.full(len(time), NOWHERE, np.int64), np.full(len(time), NOWHERE, np.int64)
        rest = np.ones(len(time), bool)
        while rest.any():  # ticks are of one date or two: a round each
            first = int(np.argmax(rest))
            at = instant(int(time[first]))
            grid = _grid_around(self, dates_of(self.exchange, self.anchor, at, at)[0])
            here = rest & (time >= grid.begins[0]) & (time < grid.ends[-1])
            here[first] = True
            where = np.flatnonzero(here)
            place = grid.place(time[where], ticks=True)
            where, place = where[place >= 0], place[place >= 0]
            begin[where] = grid.bar(time[where], place)
            session[where] = grid.begins[place]
            rest &= ~here
        return begin, session


@lru_cache(1024)
def _grid_around(kind: SeriesKind, day: date) -> Grid:
    one = timedelta(days=1)
    return make_grid(kind.exchange, kind.timeframe, kind.anchor, day - one, day + one)


@dataclass(frozen=True, slots=True)
class FoldedTicks:
    """Ticks of one call of `WindowBars.apply`. `places`: theirs among all ticks of the cycle."""

    places: NDArray[np.intp]
    lanes: Ints
    at: Ints
    forming: Floats

    def take(self, some: NDArray[np.intp]) -> "FoldedTicks":
        return FoldedTicks(self.places[some], self.lanes[some], self.at[some], self.forming[some])


def parts_of(time: Ints) -> list[slice]:
    """Divide ticks of a cycle so that no lane has more than TOGETHER new bars in a part: a bar has a minute or more."""
    if np.ptp(time) <= (TOGETHER - 2) * MINUTE * SECOND:
        return [slice(0, len(time))]
    return [slice(begin, begin + TOGETHER) for begin in range(0, len(time), TOGETHER)]


@dataclass(frozen=True, slots=True)
class Lane:
    """What is asked of the tables: `turn` and `doubts` as they were then."""

    key: str
    number: int
    turn: int
    doubts: int


class WindowBars:
    """One series: `window` bars of each lane before the newest. `known`: lanes that have been loaded. `again`: lanes
    can be loaded again; in a back-test the tables know nothing of its ticks, and one from before the first is left out.
    """

    def __init__(self, kind: SeriesKind, window: int, *, again: bool = True) -> None:
        self.kind = kind
        self.window = window
        self.again = again
        self.lanes: dict[str, int] = {}  # by instrument
        self.known = np.zeros(0, bool)
        self.doubtful = np.zeros(0, bool)
        self.loads = np.zeros(0, np.int64)  # by lane: how often its closed bars were loaded or mended
        self._free: list[int] = []
        self._data = np.empty((0, COLUMNS, self._room))
        self._end = np.empty(0, np.int64)
        self._newest = np.empty(0, np.int64)
        self._highest = np.empty(0)
        self._since = np.empty(0, np.int64)
        self._own = np.empty((0, 2))
        self._marks = np.empty((0, 3, MARKED))
        self._turns = np.empty(0, np.int64)  # by lane: how often it began anew
        self._doubts = np.empty(0, np.int64)

    @property
    def _room(self) -> int:
        return 2 * self.window + 1 + TOGETHER

    def add(self, key: str, newest: int = NOWHERE) -> int:
        """Return the lane of an instrument: a new one, to be loaded, if it has none. `newest`: the time of the newest
        tick that has come, as far as it is known."""
        if key not in self.lanes:
            if not self._free:
                self._grow(max(16, len(self._end)))
            self.lanes[key] = self._free.pop()
            self._clear(self.lanes[key])
            self._newest[self.lanes[key]] = newest
        return self.lanes[key]

    def remove(self, key: str) -> None:
        lane = self.lanes.pop(key)
        self._clear(lane)
        self._free.append(lane)

    def _grow(self, more: int) -> None:
        have = len(self._end)
        self._data = np.concatenate([self._data, np.full((more, COLUMNS, self._room), np.nan)])
        self._end = np.concatenate([self._end, np.full(more, self.window, np.int64)])
        self._newest = np.concatenate([self._newest, np.full(more, NOWHERE, np.int64)])
        self._highest = np.concatenate([self._highest, np.zeros(more)])
        self._since = np.concatenate([self._since, np.full(more, NEVER, np.int64)])
        self._own = np.concatenate([self._own, np.zeros((more, 2))])
        self._marks = np.concatenate([self._marks, np.full((more, 3, MARKED), np.nan)])
        zeros = np.zeros(more, np.int64)
        self.loads, self._turns, self._doubts = (
            np.concatenate([each, zeros]) for each in (self.loads, self._turns, self._doubts)
        )
        nothing = np.zeros(more, bool)
        self.known, self.doubtful = (np.concatenate([each, nothing]) for each in (self.known, self.doubtful))
        self._free += range(have + more - 1, have - 1, -1)

    def _clear(self, lane: int) -> None:
        self._data[lane] = np.nan
        self._end[lane], self._newest[lane], self._highest[lane] = self.window, NOWHERE, 0.0
        self._since[lane], self._own[lane], self._marks[lane] = NEVER, 0.0, np.nan
        self._turns[lane] += 1
        self.known[lane] = self.doubtful[lane] = False

    def load(self, key: str, bars: BarColumns, sessions: Ints) -> None:
        """Take what the tables have of an instrument: bars, and the beginnings of their sessions.

        They must have all ticks that came before those that are folded here. They may have some of these too.
        """
        lane = self.lanes[key]
        found = np.array([*(getattr(bars, name) for name in NAMES[:5]), bars.time / SECOND, sessions / SECOND])
        if self._since[lane] != NEVER:
            found = self._joined(lane, found)
        elif len(bars):
            today = found[VOLUME][found[SESSION] == found[SESSION, -1]]
            self._highest[lane], self._own[lane, 1] = np.nansum(today), np.nansum(today[:-1])
        count = min(found.shape[1], self.window + 1)
        self._data[lane] = np.nan
        self._end[lane] = self.window
        if count:
            self._data[lane, :, self.window + 1 - count : self.window + 1] = found[:, -count:]
            self._newest[lane] = max(self._newest[lane], round(found[TIME, -1] * SECOND))
        self.known[lane], self.doubtful[lane] = True, False
        self.loads[lane] += 1

    def _joined(self, lane: int, found: Floats) -> Floats:
        """Return loaded bars with those that were folded here, of which the first may be in both."""
        mine = self._data[lane][:, : self._end[lane] + 1]
        begin, had = self._own[lane]
        mine = mine[:, mine[TIME] >= begin].copy()
        if mine[TIME, 0] != begin:
            whole: Floats = mine
            return whole  # more of its own bars than the window has
        older, same = found[:, found[TIME] < begin], found[:, found[TIME] == begin]
        today = mine[SESSION] == mine[SESSION, 0]
        before = np.nansum(older[VOLUME][older[SESSION] == mine[SESSION, 0]])
        volume = mine[VOLUME, today]
        highest = np.maximum(had + np.nancumsum(volume), before + np.nansum(same[VOLUME]))
        unknown = np.isnan(volume)
        if same.shape[1]:
            mine[OPEN, 0] = same[OPEN, 0]
            mine[HIGH, 0], mine[LOW, 0] = max(mine[HIGH, 0], same[HIGH, 0]), min(mine[LOW, 0], same[LOW, 0])
            unknown[0] &= np.isnan(same[VOLUME, 0])
        mine[VOLUME, today] = np.where(unknown, np.nan, np.diff(highest, prepend=before))
        depths = np.flatnonzero(today[::-1])  # ascending, so those of the last bars first
        near = depths[depths < MARKED]
        self._marks[lane, HIGHEST, near] = highest[::-1][: len(near)]
        self._highest[lane] = self._marks[lane, HIGHEST, 0]
        self._own[lane, 1] = before
        joined: Floats = np.concatenate([older, mine], axis=1)
        return joined

    def unloaded(self) -> list[Lane]:
        """Return what is to be loaded."""
        waits = ~self.known | self.doubtful if self.again else ~self.known
        return [
            Lane(key, lane, int(self._turns[lane]), int(self._doubts[lane]))
            for key, lane in self.lanes.items()
            if waits[lane]
        ]

    def load_asked(self, asked: Lane, bars: BarColumns, sessions: Ints) -> None:
        """Take what was asked for, unless the lane has begun anew meanwhile."""
        lane = self.lanes.get(asked.key)
        if lane != asked.number or self._turns[lane] != asked.turn:
            return
        self.load(asked.key, bars, sessions)
        self.doubtful[lane] = self._doubts[lane] != asked.doubts  # by ticks that what was read may not have

    def doubt(self) -> None:
        """Begin everything anew: some ticks that are folded here may not be stored."""
        for lane in self.lanes.values():
            newest = self._newest[lane]
            self._clear(lane)
            self._newest[lane] = newest

    def apply(self, places: NDArray[np.intp], lanes: Ints, time: Ints, price: Floats, volume: Floats) -> FoldedTicks:
        """Fold ticks, in their order. Return those of loaded lanes that are in a bar.

        They are of one of the `parts_of` the ticks of a cycle. The next call may move bars to other places.
        """
        begin, session = self.kind.place(time)
        self._make_room(lanes)
        at, words = np.empty(len(lanes), np.int64), np.empty(len(lanes), np.int8)
        forming = np.empty((len(lanes), COLUMNS))
        state = (self._data, self._end, self._newest, self._highest, self._since, self._own, self._marks)
        fold(lanes, time, begin, session, price, volume, *state, at, forming, words)
        if (words > OUTSIDE).any():
            doubted = lanes[(words == LATE) | (words == EARLY) if self.again else words == LATE]
            self.doubtful[doubted] = True
            np.add.at(self._doubts, doubted, 1)
            self.loads[lanes[words == CHANGED]] += 1
        some = np.flatnonzero((words == IN_TIME) & self.known[lanes] & ~self.doubtful[lanes])
        return FoldedTicks(places, lanes, at, forming).take(some)

    def newest(self, places: NDArray[np.intp], keys: Sequence[str]) -> FoldedTicks:
        """Return the bars of these instruments as they are, of those that are loaded and have any."""
        lanes = np.array([self.lanes[key] for key in keys], np.int64)
        at = self._end[lanes]
        forming = np.ascontiguousarray(self._data[lanes, :, at])
        some = np.flatnonzero(self.known[lanes] & ~self.doubtful[lanes] & ~np.isnan(forming[:, TIME]))
        return FoldedTicks(places, lanes, at, forming).take(some)

    def bar_times(self, lanes: Ints, at: Ints) -> Floats:
        """Return when the bars at these places begin, in seconds; NaN where there is none."""
        found: Floats = self._data[lanes, TIME, at]
        return found

    def column(self, name: str, ticks: FoldedTicks, bars: int) -> Floats:
        """Return a column of the last so many bars of each tick, bars x ticks, NaN before the first."""
        out = np.empty((bars, len(ticks.lanes)))
        gather(self._data, NAMES.index(name), ticks.lanes, ticks.at, ticks.forming, out)
        return out

    def windows(self, ticks: FoldedTicks, bars: int) -> dict[str, Floats]:
        """Return all columns of the last so many bars of each tick."""
        return {name: self.column(name, ticks, bars) for name in NAMES}

    def _make_room(self, lanes: Ints) -> None:
        """Move the bars of lanes that may run out of room to the beginning."""
        for lane in set(lanes[self._end[lanes] + TOGETHER >= self._room].tolist()):
            end, kept = self._end[lane], self.window + 1
            self._data[lane, :, :kept] = self._data[lane, :, end - kept + 1 : end + 1]
            self._data[lane, :, kept:] = np.nan
            self._end[lane] = self.window
