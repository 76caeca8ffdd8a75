"""The newest bar of series, a series being an instrument's bars of a timeframe, folded from its minutes in columns.

A minute that has closed is merged into its series' bar; the open one stays beside it until the bar is read. A minute
of a later bar closes the bar before, and so does the clock. A minute that comes once more with other numbers, or before
what is accounted for, makes the series doubtful: it is loaded from the tables again, never guessed.

Times are int64, microseconds since 1970. A minute is (time, open, high, low, close, volume).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.core.bar_places import place_bar
from timeframes.core.bars import BarColumns
from timeframes.core.grid import SECOND
from timeframes.core.minutes import MINUTE, NOWHERE
from timeframes.core.timeframe import Timeframe

Rows = NDArray[np.intp]
PRICES = ("open", "high", "low", "close", "volume")
_MINUTE = MINUTE * SECOND
_TIMES = ("begin", "end", "upto", "last", "minute", "since")
NEVER = 2**62
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)


@dataclass(frozen=True, slots=True)
class ClosedBar:
    time: int
    prices: NDArray[np.float64]
    """In the order of PRICES."""


class SeriesBook:
    """Columns by row, a row being a series. Rows are used again after `remove`.

    `begin`, `end`: of the bar, NOWHERE for none. `upto`: the end of the closed minutes that are accounted for. `last`:
    the newest of them. `minute`: the open one, NOWHERE for none. `merged`, `opened`, `newest`: open, high, low, close
    and volume of the bar without the open minute, of the open minute, and of the newest closed one. `doubted`: to be
    loaded again, for minutes from `since` on. `touched`: the bar has changed since `take_touched`.
    """

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    upto: NDArray[np.int64]
    last: NDArray[np.int64]
    minute: NDArray[np.int64]
    since: NDArray[np.int64]

    def __init__(self) -> None:
        self.closed: dict[int, list[ClosedBar]] = {}  # by row: bars that wait to be taken
        self._kinds: list[tuple[str, Timeframe]] = []
        self._rows_of: dict[str, list[int]] = {}  # by instrument
        self._keys: list[str] = []  # by row
        self._free: list[int] = []
        self._times = np.empty((len(_TIMES), 0), np.int64)
        self._values = np.empty((3, len(PRICES), 0))
        self._kind = np.empty(0, np.intp)
        self._flags = np.empty((2, 0), bool)
        self._name()

    def _name(self) -> None:
        for name, column in zip(_TIMES, self._times, strict=True):
            setattr(self, name, column)
        self.merged, self.opened, self.newest = self._values
        self.doubted, self.touched = self._flags

    # --- series -----------------------------------------------------------------------------------------------------

    def add(self, key: str, exchange: str, timeframe: Timeframe, upto: int) -> int:
        """Return the row of a new series, whose minutes before `upto` are loaded from the tables."""
        if not self._free:
            have = self._times.shape[1]
            more = max(256, have)
            self._times = np.concatenate([self._times, np.full((len(_TIMES), more), NOWHERE, np.int64)], axis=1)
            self._values = np.concatenate([self._values, np.full((3, len(PRICES), more), np.nan)], axis=2)
            self._kind = np.concatenate([self._kind, np.zeros(more, np.intp)])
            self._flags = np.concatenate([self._flags, np.zeros((2, more), bool)], axis=1)
            self._keys += [""] * more
            self._free += range(have + more - 1, have - 1, -1)
            self._name()
        row = self._free.pop()
        self._times[:, row] = NOWHERE
        self._values[:, :, row] = np.nan
        self._flags[:, row] = False
        self.upto[row], self.since[row] = upto, NEVER
        kind = (exchange, timeframe)
        if kind not in self._kinds:
            self._kinds.append(kind)
        self._kind[row] = self._kinds.index(kind)
        self._keys[row] = key
        self._rows_of.setdefault(key, []).append(row)
        self.closed[row] = []
        return row

    def remove(self, row: int) -> None:
        rows = self._rows_of[self._keys[row]]
        rows.remove(row)
        if not rows:
            del self._rows_of[self._keys[row]]
        del self.closed[row]
        self._times[:, row] = NOWHERE
        self._keys[row] = ""
        self._free.append(row)

    def key(self, row: int) -> str:
        return self._keys[row]

    def kind(self, row: int) -> tuple[str, Timeframe]:
        """Return the exchange and the timeframe."""
        return self._kinds[int(self._kind[row])]

    def wants(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Return of each instrument whether it has a series."""
        return np.fromiter((key in self._rows_of for key in keys), bool, len(keys))

    # --- minutes ----------------------------------------------------------------------------------------------------

    def close_minutes(self, keys: Sequence[str], bars: BarColumns) -> None:
        """Account for minutes that have closed, or that have been folded again. They may be of several times."""
        for rows, time, prices in self._by_time(keys, bars):
            old = time < self.upto[rows]
            if old.any():
                again = (self.last[rows] == time) & _same(self.newest[:, rows], prices)
                self._doubt(rows[old & ~again], time)
                rows, prices = rows[~old], prices[:, ~old]
            for some, here in self._placed(rows, time):
                columns = prices[:, here]
                goes_on = ~np.isnan(self.merged[CLOSE, some])
                _merge(self.merged, some[goes_on], columns[:, goes_on])
                self.merged[:, some[~goes_on]] = columns[:, ~goes_on]
            self.newest[:, rows] = prices
            self.last[rows] = time
            self.upto[rows] = time + _MINUTE
            self.minute[rows] = NOWHERE
            self.touched[rows] = True

    def open_minutes(self, keys: Sequence[str], bars: BarColumns) -> None:
        """Take the open minutes as they are now."""
        for rows, time, prices in self._by_time(keys, bars):
            old = time < self.upto[rows]  # a minute that the clock had closed goes on
            self._doubt(rows[old], time)
            rows, prices = rows[~old], prices[:, ~old]
            for _ in self._placed(rows, time):
                pass
            self.opened[:, rows] = prices
            self.minute[rows] = time
            self.touched[rows] = True

    def close_ended(self, at: int) -> None:
        """Close the bars that are over at this moment and have no open minute."""
        over = (self.begin != NOWHERE) & (self.end <= at) & (self.minute == NOWHERE)
        for row in np.flatnonzero(over).tolist():
            self._close(row)
            self.begin[row] = NOWHERE

    def _by_time(self, keys: Sequence[str], bars: BarColumns) -> list[tuple[Rows, int, NDArray[np.float64]]]:
        """Return the series of each minute, ascending: their rows, the time and the prices."""
        wanted = np.flatnonzero(self.wants(keys))
        if not len(wanted):
            return []
        found = []
        numbers = np.stack([getattr(bars, name) for name in PRICES])
        for time in np.unique(bars.time[wanted]).tolist():
            here = wanted[bars.time[wanted] == time]
            last = {keys[place]: place for place in here.tolist()}  # one that comes twice counts as the later
            series = [(row, place) for key, place in last.items() for row in self._rows_of[key]]
            rows, places = np.array(series, np.intp).T
            found.append((rows, time, np.ascontiguousarray(numbers[:, places])))
        return found

    def _placed(self, rows: Rows, time: int) -> list[tuple[Rows, NDArray[np.intp]]]:
        """Have the rows' bars be those of this minute, closing earlier ones. Return the rows by kind, and which of
        `rows` they are. Those whose calendar has no such minute are left out."""
        found = []
        for number in np.unique(self._kind[rows]).tolist():
            place = place_bar(*self._kinds[number], time)
            if place is None:
                continue
            here = np.flatnonzero(self._kind[rows] == number)
            some = rows[here]
            for row in some[(self.begin[some] != place.begin) & (self.begin[some] != NOWHERE)].tolist():
                self._close(row)
            new = some[self.begin[some] != place.begin]
            self.merged[:, new] = np.nan
            self.begin[some], self.end[some] = place.begin, place.end
            found.append((some, here))
        return found

    def _doubt(self, rows: Rows, time: int) -> None:
        self.doubted[rows] = True
        self.since[rows] = np.minimum(self.since[rows], time)

    def _close(self, row: int) -> None:
        if not np.isnan(self.merged[CLOSE, row]):
            self.closed[row].append(ClosedBar(int(self.begin[row]), self.merged[:, row].copy()))
        self.merged[:, row] = np.nan

    # --- what a series has ------------------------------------------------------------------------------------------

    def settle(self, row: int, time: int | None, prices: NDArray[np.float64] | None) -> None:
        """Add what was loaded of the bar that begins at `time`: of its minutes before those that have come here."""
        if time is None or prices is None:
            return
        waiting = self.closed[row]
        if waiting and waiting[0].time == time:
            waiting[0] = ClosedBar(time, _joined(prices, waiting[0].prices))
        elif self.begin[row] == time:
            own = self.merged[:, row]
            self.merged[:, row] = prices if np.isnan(own[CLOSE]) else _joined(prices, own)
        elif self.begin[row] != NOWHERE or waiting:
            waiting.insert(0, ClosedBar(time, prices))
        else:
            place = place_bar(*self.kind(row), time)
            assert place is not None  # the bar was made of what lies in it
            self.begin[row], self.end[row] = place.begin, place.end
            self.merged[:, row] = prices
        self.touched[row] = True

    def take_closed(self, row: int) -> list[ClosedBar]:
        found, self.closed[row] = self.closed[row], []
        return found

    def forming(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the beginnings of the forming bars and their prices (a row each), with the open minutes.

        NOWHERE: there is none.
        """
        prices = self.merged[:, rows]
        has, goes_on = self.minute[rows] != NOWHERE, ~np.isnan(prices[CLOSE])
        both, alone = np.flatnonzero(has & goes_on), np.flatnonzero(has & ~goes_on)
        _merge(prices, both, self.opened[:, rows[both]])
        prices[:, alone] = self.opened[:, rows[alone]]
        return np.where(np.isnan(prices[CLOSE]), NOWHERE, self.begin[rows]), prices

    def take_touched(self) -> Rows:
        found = np.flatnonzero(self.touched)
        self.touched[:] = False
        return found


def _merge(into: NDArray[np.float64], rows: Rows, more: NDArray[np.float64]) -> None:
    """Merge later prices into those of these rows (columns of `into`)."""
    into[HIGH, rows] = np.maximum(into[HIGH, rows], more[HIGH])
    into[LOW, rows] = np.minimum(into[LOW, rows], more[LOW])
    into[CLOSE, rows] = more[CLOSE]
    mine, theirs = into[VOLUME, rows], more[VOLUME]
    into[VOLUME, rows] = np.where(np.isnan(mine), theirs, np.where(np.isnan(theirs), mine, mine + theirs))


def _joined(earlier: NDArray[np.float64], later: NDArray[np.float64]) -> NDArray[np.float64]:
    both = earlier[:, None].copy()
    _merge(both, np.zeros(1, np.intp), later[:, None])
    return both[:, 0]


def _same(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((mine == theirs) | (np.isnan(mine) & np.isnan(theirs))).all(axis=0))
