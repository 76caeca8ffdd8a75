"""The newest minute of every instrument, in columns, and what ticks change about the stored minutes.

A tick after the newest of its instrument is folded into the open minute or begins the next, which closes the minute
before. Any other tick is late (or one delivered twice): it makes its minute doubtful, and a doubtful minute is folded
again from the table of ticks. So whatever is doubtful here is settled by the table, never by memory.

Rows are those of the book (`book.Book`). Times are int64, microseconds since 1970.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from realtime.core.entry_ids import parse_id
from timeframes.core.bars import NUMBERS, BarColumns, TickColumns
from timeframes.core.minutes import NOWHERE, FoldedMinutes, Minutes, fold_minutes

Rows = NDArray[np.intp]
_TIMES = ("minute", "end", "session", "newest")
_VALUES = (*NUMBERS, "before", "highest")


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Minutes to fold again from the table: those that begin in [`since`, `until`), and later ones that they change.

    `session`: its beginning. `volume`: a late tick's, NaN for none. A late tick changes the minutes after its own until
    one in which the session's volume was as high; those before `limit` are meant.
    """

    row: int
    session: int
    since: int
    until: int
    limit: int
    volume: float


@dataclass(slots=True)
class Changes:
    """What a batch of ticks changes about stored bars.

    `closed`: bars to store, as (rows, folded). `reopened`: rows and minutes of stored bars that have a new tick, which
    must not hide it. `doubtful`: minutes before the open one that have a late tick.
    """

    closed: list[tuple[Rows, BarColumns, NDArray[np.float64]]] = field(default_factory=list)
    reopened: list[tuple[int, int]] = field(default_factory=list)
    doubtful: list[Doubtful] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.closed or self.reopened or self.doubtful)


class BarBook:
    """Columns by row. `minute`, `end`, `session`: of the newest minute, NOWHERE where there is none; `newest`:
    the time of its newest tick. `before`, `highest`: the session's highest volume before the minute, and with it.

    `known`: the row agrees with the table. `stored`: its minute is stored, because the clock has closed it.
    `doubted`: a late tick fell into the open minute. `touched`: the minute has changed since it was last published.
    """

    minute: NDArray[np.int64]
    end: NDArray[np.int64]
    session: NDArray[np.int64]
    newest: NDArray[np.int64]
    before: NDArray[np.float64]
    highest: NDArray[np.float64]

    def __init__(self) -> None:
        self.entries: list[str] = []  # the ID of the newest tick, empty if it is not known
        self._times = np.empty((len(_TIMES), 0), np.int64)
        self._values = np.empty((len(_VALUES), 0))
        self._flags = np.empty((4, 0), bool)
        self._name()

    def _name(self) -> None:
        for names, block in ((_TIMES, self._times), (_VALUES, self._values)):
            for name, column in zip(names, block, strict=True):
                setattr(self, name, column)
        self.known, self.stored, self.doubted, self.touched = self._flags

    def grow(self, rows: int) -> None:
        """Have at least so many rows."""
        have = len(self.entries)
        if rows <= have:
            return
        more = max(256, rows, 2 * have) - have
        self._times = np.concatenate([self._times, np.full((len(_TIMES), more), NOWHERE, np.int64)], axis=1)
        self._values = np.concatenate([self._values, np.full((len(_VALUES), more), np.nan)], axis=1)
        self._flags = np.concatenate([self._flags, np.zeros((4, more), bool)], axis=1)
        self.entries += [""] * more
        self._name()

    def forget(self, rows: Rows | slice) -> None:
        """Drop what is held of these rows: it may not agree with the table."""
        self._times[:, rows] = NOWHERE
        self._flags[:, rows] = False

    def open_bars(self, rows: Rows) -> BarColumns:
        return BarColumns(time=self.minute[rows], **{name: getattr(self, name)[rows] for name in NUMBERS})

    def hold(self, rows: Rows, folded: FoldedMinutes, newest: NDArray[np.int64]) -> None:
        """Hold these bars as the newest of their rows."""
        minutes = folded.minutes
        for name, column in zip(_TIMES, (minutes.begin, minutes.end, minutes.session, newest), strict=True):
            getattr(self, name)[rows] = column
        for name in NUMBERS:
            getattr(self, name)[rows] = getattr(folded.bars, name)
        self.before[rows], self.highest[rows] = folded.before, folded.highest

    def apply(
        self, rows: Rows, ticks: TickColumns, minutes: Minutes, entries: Sequence[str], shared: NDArray[np.bool_]
    ) -> Changes:
        """Fold ticks, in the order of their entries, and return what that changes about stored bars.

        All rows must be known. `shared`: the tick's instrument has other consumers too, so its minutes are always
        doubtful.
        """
        changes = Changes()
        inside = np.flatnonzero(minutes.begin != NOWHERE)
        order = inside[np.lexsort((ticks.time[inside], rows[inside]))]
        late = self._late(rows[order], ticks.time[order], order, entries)
        if late.any():
            self._doubt(order[late], rows, ticks, minutes, changes)
            order = order[~late]
        if not len(order):
            return changes
        row, at = rows[order], minutes.take(order)
        some = ticks.take(order)
        first = np.flatnonzero(np.diff(row, prepend=-1))
        ticking, begun = row[first], at.begin[first]
        goes_on = begun == self.minute[ticking]
        for each in ticking[goes_on & self.stored[ticking]].tolist():
            changes.reopened.append((each, int(self.minute[each])))
        self.stored[ticking[goes_on]] = False
        self._close(ticking[~goes_on & (self.minute[ticking] != NOWHERE) & ~self.stored[ticking]], changes)
        self.doubted[ticking[~goes_on]] = False
        going = ticking[goes_on]
        known = np.where(at.session == self.session[row], self.highest[row], 0.0)
        folded = fold_minutes(row, some, at, known, self.open_bars(going), going)
        self._hold_last(folded, some.time, goes_on, changes)
        for place in folded.last[self._lasts(folded)].tolist():
            self.entries[row[place]] = entries[order[place]]
        self.doubted[ticking[shared[order[first]]]] = True
        changes.reopened += [(each, int(self.minute[each])) for each in ticking[shared[order[first]]].tolist()]
        self.touched[ticking] = True
        return changes

    def _late(self, row: Rows, time: NDArray[np.int64], order: Rows, entries: Sequence[str]) -> NDArray[np.bool_]:
        """Return which ticks, sorted, are not after the newest of their row."""
        newest = self.newest[row]
        late = time < newest
        for place in np.flatnonzero(time == newest).tolist():
            held = self.entries[row[place]]
            late[place] = not held or parse_id(entries[order[place]]) <= parse_id(held)
        return late

    def _doubt(self, places: Rows, rows: Rows, ticks: TickColumns, minutes: Minutes, changes: Changes) -> None:
        for place in places.tolist():
            row, minute = int(rows[place]), int(minutes.begin[place])
            session, volume = int(minutes.session[place]), float(ticks.volume[place])
            self.touched[row] = True
            if minute == self.minute[row]:
                self.doubted[row] = True
                self.highest[row] = np.fmax(self.highest[row], volume)
                if self.stored[row]:
                    self.stored[row] = False
                    changes.reopened.append((row, minute))
                continue
            limit = int(self.minute[row])
            if session == self.session[row]:
                if volume > self.before[row]:
                    self.before[row], self.doubted[row] = volume, True
                    if self.stored[row]:
                        self.stored[row] = False
                        changes.reopened.append((row, limit))
                self.highest[row] = np.fmax(self.highest[row], volume)
            changes.doubtful.append(Doubtful(row, session, minute, int(minutes.end[place]), limit, volume))

    def _close(self, rows: Rows, changes: Changes) -> None:
        """Close the open minutes of these rows."""
        sure = rows[~self.doubted[rows]]
        if len(sure):
            changes.closed.append((sure, self.open_bars(sure), self.highest[sure]))
        for row in rows[self.doubted[rows]].tolist():
            changes.doubtful.append(self.doubtful(row))

    def doubtful(self, row: int) -> Doubtful:
        """Return the newest minute of a row as one to fold again."""
        end = int(self.end[row])
        return Doubtful(row, int(self.session[row]), int(self.minute[row]), end, end, float("nan"))

    @staticmethod
    def _lasts(folded: FoldedMinutes) -> NDArray[np.bool_]:
        """Return which bars are the last of their row."""
        return np.asarray(np.diff(folded.group, append=-1) != 0)

    def _hold_last(
        self, folded: FoldedMinutes, time: NDArray[np.int64], goes_on: NDArray[np.bool_], changes: Changes
    ) -> None:
        lasts = self._lasts(folded)
        firsts = np.diff(folded.group, prepend=-1) != 0
        # A bar that went on keeps what was before it: `before` of the fold is that before these ticks.
        kept = np.zeros(len(folded), bool)
        kept[firsts] = goes_on
        before = np.where(kept, self.before[folded.group], folded.before)
        doubted = kept & self.doubted[folded.group]
        passed = np.flatnonzero(~lasts)
        sure = passed[~doubted[passed]]
        if len(sure):
            changes.closed.append((folded.group[sure], folded.bars.take(sure), folded.highest[sure]))
        for place in passed[doubted[passed]].tolist():
            row = int(folded.group[place])
            changes.doubtful.append(self.doubtful(row))
            self.doubted[row] = False
        held = np.flatnonzero(lasts)
        newest = replace(folded, before=before).take(held)
        self.hold(newest.group, newest, time[newest.last])
        self.stored[newest.group] = False

    def take_touched(self) -> Rows:
        """Return the rows whose open minute has changed since the last call."""
        changed = np.flatnonzero(self.known & self.touched & ~self.stored & (self.minute != NOWHERE))
        self.touched[:] = False
        return changed

    def due(self, at: int) -> Rows:
        """Return the rows whose open minute has ended at this moment."""
        return np.flatnonzero(self.known & ~self.stored & (self.minute != NOWHERE) & (self.end <= at))
