"""Minutes as the table has them: what is stored of them, and what their ticks fold to.

All that is asked of PostgreSQL about minutes is here. Minutes of back-tests are folded too, and not stored.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from realtime.ticks.bar_instruments import BarInstruments
from realtime.ticks.core.bar_book import BarBook, Doubtful, Rows
from timeframes.bars import stream_bars
from timeframes.bars.stream_bars import FOREVER, SOURCE, Span
from timeframes.core.bars import BarColumns, Floats
from timeframes.core.grid import microseconds
from timeframes.core.minutes import NOWHERE, FoldedMinutes, earlier_session, fold_minutes
from timeframes.storage.retention import kept_since
from timeframes.ticks.models import AbstractTick, Tick

RESTORED = 200  # instruments that are restored at once, which bounds the ticks in memory


class StoredMinutes:
    """`bars`: what is held of them; `restore` fills it. `model`: the table of ticks.

    `stores`: whether minutes are stored, as those of live ticks are.
    """

    def __init__(self, bars: BarBook, instruments: BarInstruments, model: type[AbstractTick]) -> None:
        self.bars = bars
        self.instruments = instruments
        self.stores = model is Tick
        self._table = model._meta.db_table
        self._source = SOURCE if self.stores else None

    def newest_of(self, keys: Sequence[str]) -> list[tuple[int | None, int | None]]:
        """Return the times of each instrument's newest tick and newest stored minute, None for none."""
        return stream_bars.newest_of(keys, table=self._table, stored=self.stores)

    def restore(self, rows: Iterable[int]) -> Iterator[tuple[Rows, BarColumns, Floats]]:
        """Read the ticks since each row's last stored minute. Yield the minutes that are complete.

        The last stored one is among them: whoever stored it may have ended before it was published.
        """
        wanted = np.array(sorted(rows), np.intp)
        for begin in range(0, len(wanted), RESTORED):
            some = wanted[begin : begin + RESTORED]
            keys = self.instruments.keys(some)
            asked, stored = [], {}
            for row, (tick, bar) in zip(some.tolist(), self.newest_of(keys), strict=True):
                since = bar
                if tick is not None and since is None:  # nothing is stored yet: earlier days stay as ticks
                    since = earlier_session(self.instruments.exchange(row), tick)
                if tick is None or since is None:
                    continue
                session = int(self.instruments.minutes(np.array([row]), np.array([since])).session[0])
                asked.append(Doubtful(row, session, since, FOREVER, FOREVER, float("nan")))
                if bar is not None:
                    stored[row] = bar
            for row in some.tolist():
                self.bars.entries[row] = ""
            self.bars.forget(some)
            if asked:
                folded, newest = self.fold_again(asked)
                rows_of = np.array([each.row for each in asked], np.intp)[folded.group]
                lasts = np.flatnonzero(np.diff(folded.group, append=-1))
                self.bars.hold(rows_of[lasts], folded.take(lasts), newest[lasts])
                old = np.array([stored.get(row, NOWHERE) for row in rows_of.tolist()], np.int64)
                self.bars.stored[rows_of[lasts]] = folded.bars.time[lasts] <= old[lasts]
                opened = lasts[~self.bars.stored[rows_of[lasts]]]
                passed = np.setdiff1d(np.flatnonzero(folded.bars.time >= old), opened)
                self.bars.touched[rows_of[lasts]] = True
                yield rows_of[passed], folded.bars.take(passed), folded.highest[passed]
            self.bars.known[some] = True

    def fold_again(self, asked: Sequence[Doubtful]) -> tuple[FoldedMinutes, np.ndarray]:
        """Fold minutes from the table. Their group is the place in `asked`. Also return each one's newest tick."""
        span = Span(
            key=[self.instruments.contracts[each.row].text for each in asked],
            session=[each.session for each in asked],
            since=[each.since for each in asked],
            until=[each.until for each in asked],
            limit=[each.limit for each in asked],
            volume=[each.volume for each in asked],
        )
        found = stream_bars.load_spans(span, table=self._table, source=self._source)
        rows = np.array([each.row for each in asked], np.intp)[found.place]
        minutes = self.instruments.minutes(rows, found.ticks.time)
        here = np.flatnonzero((minutes.begin != NOWHERE) & (minutes.begin < found.until))
        ticks, at = found.ticks.take(here), minutes.take(here)
        sessions = np.array([each.session for each in asked], np.int64)[found.place[here]]
        known = np.where(at.session == sessions, found.highest[here], 0.0)
        folded = fold_minutes(found.place[here].astype(np.intp), ticks, at, known)
        return folded, ticks.time[folded.last]

    def add(self, closed: Iterable[tuple[Rows, BarColumns, Floats]]) -> list[tuple[Rows, BarColumns]]:
        """Store closed minutes, and return them. If one is stored already, by whomever, the table decides."""
        found = []
        for rows, bars, highest in closed:
            if not len(rows):
                continue
            added = np.ones(len(rows), bool)
            if self.stores:
                added = stream_bars.add_bars(self.instruments.keys(rows), bars, highest)
            found.append((rows[added], bars.take(added)))
            if not added.all():
                again = zip(rows[~added].tolist(), bars.time[~added].tolist(), strict=True)
                found += self.mend([self._one(row, minute) for row, minute in again])
        return found

    def _one(self, row: int, minute: int) -> Doubtful:
        at = self.instruments.minutes(np.array([row]), np.array([minute]))
        end = int(at.end[0])
        return Doubtful(row, int(at.session[0]), minute, end, end, float("nan"))

    def mend(self, doubtful: Sequence[Doubtful]) -> list[tuple[Rows, BarColumns]]:
        """Fold minutes again, store and return them, in the caller's transaction.

        A minute whose ticks retention may have removed stays as it is.
        """
        if doubtful and self.stores:
            kept = self._kept_since()
            doubtful = [each for each in doubtful if each.since >= kept]
        if not doubtful:
            return []
        asked = _joined(doubtful)
        if self.stores:
            stream_bars.lock_bars([self.instruments.contracts[each.row].text for each in asked])
        folded, _ = self.fold_again(asked)
        rows = np.array([each.row for each in asked], np.intp)[folded.group]
        if self.stores and len(rows):
            stream_bars.replace_bars(self.instruments.keys(rows), folded.bars, folded.highest)
        return [(rows, folded.bars)]

    def remove(self, reopened: Sequence[tuple[int, int]]) -> None:
        """Remove stored minutes, given as rows and times, that ticks have opened again.

        A minute whose ticks retention may have removed stays.
        """
        kept = self._kept_since()
        if reopened := [each for each in reopened if each[1] >= kept]:
            rows, minutes = zip(*reopened, strict=True)
            stream_bars.remove_bars(self.instruments.keys(rows), minutes)

    def _kept_since(self) -> int:
        """Return the moment from which every tick is still in the table."""
        found = kept_since(self._table)
        return NOWHERE if found is None else microseconds(found)


def _joined(doubtful: Sequence[Doubtful]) -> list[Doubtful]:
    """Return one for each row, which covers all of its own."""
    by_row: dict[int, Doubtful] = {}
    for each in sorted(doubtful, key=lambda each: each.since):
        held = by_row.get(each.row)
        by_row[each.row] = each if held is None else Doubtful(
            each.row, held.session, held.since, max(held.until, each.until), max(held.limit, each.limit),
            float(np.fmax(held.volume, each.volume)),
        )  # fmt: skip
    return list(by_row.values())
