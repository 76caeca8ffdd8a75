"""The last bars of instruments in memory, each tick folded into the forming one: what is computed with a tick sees it.

The bars that are stored and published are folded a batch later, when its ticks are in the table (`bar_book`). These are
folded in the cycle, from the same ticks by the same rules, and begin with what the tables have. A late tick makes its
lane doubtful: it is loaded again.

A series is a timeframe of an exchange. Bars of a lane are at `end` and before; NaN where there are none. Times are
int64, microseconds since 1970.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.window_kernels import COLUMNS, IN_TIME, LATE, NOWHERE, TIME, fold, gather
from timeframes.core.bars import BarColumns, Floats
from timeframes.core.grid import SECOND, Anchor, Grid, dates_of, instant, make_grid
from timeframes.core.timeframe import Timeframe, format_timeframe

TOGETHER = 256  # ticks: a lane has room for so many new bars
NAMES = ("open", "high", "low", "close", "volume", "timestamp", "session")
Ints = NDArray[np.int64]


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


class WindowBars:
    """One series: `window` bars of each lane before the newest. `known`: lanes that have been loaded."""

    def __init__(self, kind: SeriesKind, window: int) -> None:
        self.kind = kind
        self.window = window
        self.lanes: dict[str, int] = {}  # by instrument
        self.known = np.zeros(0, bool)
        self.doubtful = np.zeros(0, bool)
        self.loads = np.zeros(0, np.int64)  # by lane: how often it was loaded
        self._free: list[int] = []
        self._data = np.empty((0, COLUMNS, self._room))
        self._end = np.empty(0, np.int64)
        self._newest = np.empty(0, np.int64)
        self._highest = np.empty(0)

    @property
    def _room(self) -> int:
        return 2 * self.window + 1 + TOGETHER

    def add(self, key: str) -> int:
        """Return the lane of an instrument: a new one, to be loaded, if it has none."""
        if key not in self.lanes:
            if not self._free:
                self._grow(max(16, len(self._end)))
            self.lanes[key] = self._free.pop()
            self._clear(self.lanes[key])
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
        self.loads = np.concatenate([self.loads, np.zeros(more, np.int64)])
        nothing = np.zeros(more, bool)
        self.known, self.doubtful = (np.concatenate([each, nothing]) for each in (self.known, self.doubtful))
        self._free += range(have + more - 1, have - 1, -1)

    def _clear(self, lane: int) -> None:
        self._data[lane] = np.nan
        self._end[lane], self._newest[lane], self._highest[lane] = self.window, NOWHERE, 0.0
        self.known[lane] = self.doubtful[lane] = False

    def load(self, key: str, bars: BarColumns, sessions: Ints) -> None:
        """Take what the tables have of an instrument: bars, and the beginnings of their sessions."""
        lane = self.lanes[key]
        self._clear(lane)
        if count := min(len(bars), self.window + 1):
            columns = [getattr(bars, name)[-count:] for name in NAMES[:5]]
            columns += [bars.time[-count:] / SECOND, sessions[-count:] / SECOND]
            self._data[lane, :, self.window + 1 - count : self.window + 1] = columns
            today = sessions == sessions[-1]
            self._highest[lane] = np.nansum(bars.volume[today])
            self._newest[lane] = bars.time[-1]
        self.known[lane] = True
        self.loads[lane] += 1

    def unloaded(self) -> list[str]:
        """Return the instruments that are to be loaded."""
        return [key for key, lane in self.lanes.items() if not self.known[lane] or self.doubtful[lane]]

    def doubt(self) -> None:
        """Have everything loaded again: some ticks that are folded here may not be stored."""
        self.known[:] = False

    def apply(self, places: NDArray[np.intp], lanes: Ints, time: Ints, price: Floats, volume: Floats) -> FoldedTicks:
        """Fold at most TOGETHER ticks, in their order. Return those of loaded lanes that are in a bar."""
        begin, session = self.kind.place(time)
        self._make_room(lanes)
        at, words = np.empty(len(lanes), np.int64), np.empty(len(lanes), np.int8)
        forming = np.empty((len(lanes), COLUMNS))
        state = (self._data, self._end, self._newest, self._highest)
        fold(lanes, time, begin, session, price, volume, *state, at, forming, words)
        self.doubtful[lanes[words == LATE]] = True
        some = np.flatnonzero((words == IN_TIME) & self.known[lanes])
        return FoldedTicks(places, lanes, at, forming).take(some)

    def newest(self, places: NDArray[np.intp], keys: Sequence[str]) -> FoldedTicks:
        """Return the bars of these instruments as they are, of those that are loaded and have any."""
        lanes = np.array([self.lanes[key] for key in keys], np.int64)
        at = self._end[lanes]
        forming = np.ascontiguousarray(self._data[lanes, :, at])
        some = np.flatnonzero(self.known[lanes] & ~np.isnan(forming[:, TIME]))
        return FoldedTicks(places, lanes, at, forming).take(some)

    def bar_times(self, lanes: Ints, at: Ints) -> Floats:
        """Return when the bars at these places begin, in seconds; NaN where there is none."""
        found: Floats = self._data[lanes, TIME, at]
        return found

    def named(self, forming: Floats) -> dict[str, Floats]:
        return dict(zip(NAMES, forming.T, strict=True))

    def windows(self, ticks: FoldedTicks, bars: int) -> dict[str, Floats]:
        """Return the last so many bars of each tick as columns, bars x ticks, NaN before the first."""
        out = np.empty((COLUMNS, bars, len(ticks.lanes)))
        gather(self._data, ticks.lanes, ticks.at, np.ascontiguousarray(ticks.forming), out)
        return dict(zip(NAMES, out, strict=True))

    def _make_room(self, lanes: Ints) -> None:
        """Move the bars of lanes that may run out of room to the beginning."""
        for lane in set(lanes[self._end[lanes] + len(lanes) >= self._room].tolist()):
            end, kept = self._end[lane], self.window + 1
            self._data[lane, :, :kept] = self._data[lane, :, end - kept + 1 : end + 1]
            self._data[lane, :, kept:] = np.nan
            self._end[lane] = self.window
