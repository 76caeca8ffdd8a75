"""Minutes of the live ticks: folded as ticks come, stored when they are complete, published as they change.

The order of a batch is: ticks, then the stored minutes that they close or change, in one transaction of PostgreSQL;
then effects and acknowledgement in Redis. `settle` does the rest between batches: it folds doubtful minutes again,
closes by the clock what no tick closes, and returns the states of the minutes that have changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext

import numpy as np
from django.db import transaction

from realtime.core.bar_states import bar_states
from realtime.ticks.bar_instruments import TIMEFRAME, BarInstruments
from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.bar_book import BarBook, Changes, Rows
from realtime.ticks.core.book import Book
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.tick import read_contract
from realtime.ticks.live_indicators import LiveIndicators
from realtime.ticks.postgres_retry import PostgresRetry
from realtime.ticks.store import store_ticks
from realtime.ticks.stored_minutes import StoredMinutes
from timeframes.core.bars import BarColumns, TickColumns
from timeframes.core.grid import SECOND
from timeframes.core.minutes import MINUTE, NOWHERE
from timeframes.ticks.models import AbstractTick

GRACE = 1 * SECOND
"""The clock closes a minute so much later, so that ticks on their way still count in it."""

Rounds = dict[str, list[dict[str, bytes]]]  # states by underlying; a later round has newer ones


class LiveBars:
    """`model`: the table of ticks. Only the minutes of live ticks are stored; those of back-tests are published.

    `on`: whether minutes are folded at all; otherwise ticks are stored and nothing else.
    """

    def __init__(self, book: Book, retry: PostgresRetry, *, model: type[AbstractTick], on: bool = True) -> None:
        self.on = on
        self.book = book
        self.retry = retry
        self.model = model
        self.bars = BarBook()
        self.instruments = BarInstruments()
        self.table = StoredMinutes(self.bars, self.instruments, model)
        self._lost: set[int] = set()  # rows to restore, whether or not they tick
        self._closed: Rounds = {}  # published with the next batch
        self.indicators: LiveIndicators | None = None
        self._opened: set[int] = set()  # rows whose open minute is published, and indicators have not seen it

    # --- what is held -----------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Drop everything: what is held may not agree with the table."""
        self._lost.clear()
        self._closed = {}
        self.bars.forget(slice(None))
        if self.indicators is not None:
            self.indicators.forget()

    def doubt_all(self) -> None:
        """Restore everything from the table with the next `settle`, or before its next tick."""
        self._lost |= set(np.flatnonzero(self.bars.known).tolist())
        self.bars.forget(slice(None))
        if self.indicators is not None:
            self.indicators.doubt_all()

    def drop(self, underlying: str) -> None:
        """Another consumer writes the bars of this underlying from now on."""
        rows = self.instruments.of_underlying(underlying)
        self._lost -= set(rows)
        self._closed.pop(underlying, None)
        self.bars.forget(np.array(rows, np.intp))
        if self.indicators is not None:
            self.indicators.drop(underlying)

    def take(self, underlying: str, keys: Sequence[str]) -> None:
        """Have the minutes of these instruments restored, also of those that do not tick any more."""
        newest = self.table.newest_of(keys)
        for key, (tick, bar) in zip(keys, newest, strict=True):
            if tick is not None and (bar is None or tick >= bar):
                self._lost.add(self.instruments.row(read_contract(key, underlying)))
        self.bars.grow(len(self.instruments))

    # --- a batch ----------------------------------------------------------------------------------------------------

    def write(self, result: CycleResult) -> None:
        """Store the ticks of a batch and what they change about minutes. Add the states of closed minutes to it."""
        some = [each for each in result.applied if len(each.rows)] if self.on else []
        rows = self._rows_of(some)
        unknown = rows[~self.bars.known[rows]]
        if len(unknown):
            self.retry.run(lambda: self._store_restored(set(unknown.tolist())))
        changes = self._apply(rows, some) if some else Changes()
        self.retry.run(lambda: self._store(result, changes))
        result.bars, self._closed = self._closed, {}

    def _rows_of(self, some: Sequence[AppliedTicks]) -> Rows:
        if not some:
            return np.empty(0, np.intp)
        rows = self.instruments.rows_of(np.concatenate([each.rows for each in some]), self.book.contracts)
        self.bars.grow(len(self.instruments))
        return rows

    def _apply(self, rows: Rows, some: Sequence[AppliedTicks]) -> Changes:
        ticks = [tick for each in some for tick in each.ticks]
        columns = TickColumns(
            time=np.rint(np.concatenate([each.quotes.time for each in some]) * SECOND).astype(np.int64),
            price=np.concatenate([each.quotes.last for each in some]),
            volume=np.concatenate([each.quotes.volume for each in some]),
            open_interest=np.array([tick.fields.oi for tick in ticks], np.float64),
        )
        shared = self.instruments.shared(rows)
        entries = [tick.entry_id for tick in ticks]
        return self.bars.apply(rows, columns, self.instruments.minutes(rows, columns.time), entries, shared)

    def _store(self, result: CycleResult, changes: Changes) -> None:
        """Store ticks, and then what they change, in one transaction."""
        with transaction.atomic() if changes and self.table.stores else nullcontext():
            store_ticks(self.model, result.ticks)
            if changes.reopened and self.table.stores:
                self.table.remove(changes.reopened)
            found = [*self.table.add(changes.closed), *self.table.mend(changes.doubtful)]
        self._publish(found)

    # --- between batches --------------------------------------------------------------------------------------------

    def settle(self, until: int) -> Rounds:
        """Bring everything up to date, and return the states of the minutes that have changed.

        `until`: the moment up to which every tick has been read, in microseconds. No batch may be being written.
        """
        lost = {row for row in self._lost if not self.bars.known[row]}
        self.retry.run(lambda: self._store_restored(lost))
        self._lost.clear()
        doubted = np.flatnonzero(self.bars.known & self.bars.doubted)
        if len(doubted):
            self.retry.run(lambda: self._settle_doubted(doubted))
        due = self.bars.due(until - GRACE)
        if len(due):
            self.retry.run(lambda: self._close(due))
        rounds, self._closed = self._closed, {}
        changed = self.bars.take_touched()
        if self.indicators is not None:
            opened = np.union1d(changed, np.array(sorted(self._opened), np.intp)).astype(np.intp)
            opened = opened[self.bars.known[opened] & ~self.bars.stored[opened]]
            self._opened.clear()
            self.indicators.feed(self.instruments.keys(opened), self.bars.open_bars(opened), until)
        newest: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        for underlying, topic, state in self._states(changed, self.bars.open_bars(changed), complete=False):
            newest[underlying][topic] = state
        for underlying, states in newest.items():
            rounds.setdefault(underlying, []).append(states)
        return rounds

    def _store_restored(self, rows: Iterable[int]) -> None:
        for closed in self.table.restore(rows):
            with transaction.atomic():
                found = self.table.add([closed])
            self._publish(found)

    def _settle_doubted(self, rows: Rows) -> None:
        folded, _ = self.table.fold_again([self.bars.doubtful(row) for row in rows.tolist()])
        again = rows[folded.group]
        self.bars.hold(again, folded, self.bars.newest[again])
        self.bars.doubted[rows] = False

    def _close(self, rows: Rows) -> None:
        with transaction.atomic():
            found = self.table.add([(rows, self.bars.open_bars(rows), self.bars.highest[rows])])
        self.bars.stored[rows] = True
        self._publish(found)

    def _publish(self, found: Sequence[tuple[Rows, BarColumns]]) -> None:
        """Have complete minutes published, each instrument's in their order, and its newest one after them."""
        if self.indicators is not None:
            for rows, bars in found:
                self.indicators.minutes_closed(self.instruments.keys(rows), bars)
        older = {row for rows, bars in found for row in rows[bars.time < self.bars.minute[rows]].tolist()}
        states = [state for rows, bars in found for state in self._states(rows, bars, complete=True)]
        newest = np.array(sorted(older), np.intp)
        newest = newest[~self.bars.doubted[newest]]  # `settle` publishes the others
        for complete in (False, True):
            some = newest[self.bars.stored[newest] == complete]
            states += self._states(some, self.bars.open_bars(some), complete=complete)
        self.bars.touched[newest] = False
        self._opened.update(newest.tolist())
        for underlying, topic, state in states:
            rounds = self._closed.setdefault(underlying, [])
            place = len(rounds)
            while place and topic not in rounds[place - 1]:
                place -= 1
            if place == len(rounds):
                rounds.append({})
            rounds[place][topic] = state

    def _states(self, rows: Rows, bars: BarColumns, *, complete: bool) -> Iterator[tuple[str, str, bytes]]:
        states = bar_states(self.instruments.keys(rows), TIMEFRAME, bars, complete=complete)
        for row, state in zip(rows.tolist(), states, strict=True):
            yield self.instruments.contracts[row].underlying, self.instruments.topics[row], state

    def not_closed(self, key: str) -> tuple[int, BarColumns | None] | None:
        """Return the beginning of an instrument's first minute that is not closed, and that minute if it has ticks.

        None: it is not known. Everything before is stored as minutes, or as ticks outside of all.
        """
        row = self.instruments.find(key)
        if row is None or not self.bars.known[row] or self.bars.minute[row] == NOWHERE:
            return None
        minute = int(self.bars.minute[row])
        if self.bars.stored[row]:
            return minute + MINUTE * SECOND, None
        return minute, self.bars.open_bars(np.array([row], np.intp))
