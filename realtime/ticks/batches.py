"""Micro-batches on their way: computed, kept, told of, acknowledged.

While one is written, in a thread of its own, the next is read and computed. Ticks are in PostgreSQL before one
transaction in Redis leaves their effects and acknowledges them.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import redis
from django.db import connection

from realtime.core.entry_ids import parse_id
from realtime.ticks import metrics
from realtime.ticks.contracts import prepare_contracts
from realtime.ticks.core.backlog import Backlog, Portion
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.decoding import DeadLetter
from realtime.ticks.core.failed_commands import streams_writing
from realtime.ticks.core.group_progress import GroupProgress
from realtime.ticks.core.new_contracts import NewContractLimits
from realtime.ticks.core.paused_streams import PausedStreams
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.tick import Reason, RejectedTick, Tick
from realtime.ticks.effects import Effects, Limits
from realtime.ticks.ownership import LeaseLost, Ownership
from realtime.ticks.store import UNAVAILABLE, store_ticks
from realtime.ticks.streams import StreamEntry
from signalsite.foundation import heartbeat
from timeframes.core.tick_stream import tick_stream
from timeframes.ticks.models import AbstractTick

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

BACKOFF = (0.1, 2.0)  # seconds, first and longest
REPORT_SECONDS = 60.0
HANDLED_ELSEWHERE = (LeaseLost, redis.RedisError, *UNAVAILABLE)
"""Not the fault of any tick: what was read is read again when things are better."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read, what came of it, and when it was read and computed (monotonic). `portion`: of the backlog."""

    entries: Sequence[StreamEntry]
    result: CycleResult
    portion: Portion
    rejected: Sequence[DeadLetter]
    begun: float
    computed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a consumer works. Times in seconds."""

    batch: int
    max_bytes: int
    max_ahead: float
    max_deliveries: int
    reprice_interval: float
    window: int  # strikes on each side of the money, of what is told of a chain
    lease: float
    maintenance: float
    quotes: float  # between writes of the newest quotes; 0: none are written
    keep: float  # how long acknowledged entries stay in a stream
    keep_entries: int
    own_time: bool  # the ticks' times are now
    register: bool  # unknown contracts are made known; else their ticks are refused
    sanity: Sanity
    limits: Limits


class Batches:
    """`owned`: the streams that are ours, kept up by whoever owns them. `paused`: told of streams that succeed.
    `stop`: give up waiting for PostgreSQL."""

    def __init__(
        self,
        cycle: Cycle,
        effects: Effects,
        ownership: Ownership,
        *,
        model: type[AbstractTick],
        options: Options,
        owned: dict[str, GroupProgress],
        paused: PausedStreams,
        stop: Event,
        clock: Callable[[], float],
    ) -> None:
        self.cycle = cycle
        self.effects = effects
        self.ownership = ownership
        self.model = model
        self.options = options
        self.owned = owned
        self.paused = paused
        self.stop = stop
        self.clock = clock
        self.new_contracts = NewContractLimits(options.sanity)
        self.backlog = Backlog()
        self.failed: set[str] = set()  # streams with entries that our handling raised on
        self.at_fault: set[str] = set()  # streams that write to a key of another type: to be put aside
        self._reported: dict[str, float] = {}  # names of what failed: chains and computations
        self._writer = ThreadPoolExecutor(1, "writer")
        self._writing: tuple[Batch, Future[None]] | None = None

    def compute(self, entries: Sequence[StreamEntry]) -> Batch | None:
        """What comes of entries just read, and of the chains that are due; None when there is nothing to write.

        Meanwhile the batch before is being written. When an entry raises, all are handled at once.
        """
        try:
            return self._compute(entries, time.monotonic())
        except HANDLED_ELSEWHERE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is some tick's doing: `handle` finds out whose
            logger.warning("%d entries are handled apart, since together they raise %r", len(entries), error)
            self.finish()
            self.handle(entries)
            return None

    def reprice(self) -> None:
        """Price the chains that are due, while a batch is being written. What they tell goes with the next batches."""
        now = self.clock()
        if self.options.own_time or self.cycle.due_in(now):
            return
        try:
            result = self.cycle.handle((), now)
        except Exception:  # no tick is at fault: the batch that is being written goes on, and the next beat tries again
            metrics.errors.labels("handler").inc()
            logger.exception("repricing what was due failed")
            return
        self._report(result)
        self.backlog.add(result.topics)

    def begin(self, batch: Batch | None) -> None:
        """Begin to write, the batch before having been finished."""
        if batch is not None:
            self._writing = (batch, self._writer.submit(self._write, batch))

    def forget(self) -> None:
        """Let go of what is in hand, when what is being written has come to its end, whichever."""
        if self._writing is not None:
            wait([self._writing[1]])
            self._writing = None
        self.failed.clear()
        self.at_fault.clear()
        self.backlog.clear()
        self.effects.forget()

    def empty(self) -> None:
        """Write all that waits, chains that are due included."""
        self.finish()
        self.reprice()
        while self.backlog:
            self.handle(())

    def close(self) -> None:
        self._writer.submit(lambda: connection.close()).result()  # each thread has a connection of its own
        self._writer.shutdown()

    def finish(self) -> None:
        """Wait for the batch that is being written, if there is one; raises what its writing raised."""
        if self._writing is None:
            return
        batch, writing = self._writing
        while not wait([writing], self.options.lease / 3).done:
            self.ownership.renew(self.owned)
        self._writing = None
        try:
            writing.result()
        except HANDLED_ELSEWHERE:
            raise
        except Exception:  # noqa: BLE001 - as in `compute`
            self.backlog.put_back(batch.portion)
            self.handle(batch.entries)
            self.handle(())  # a portion that cannot be told goes alone, and is dropped

    def handle(self, entries: Sequence[StreamEntry]) -> None:
        """Take entries all the way to their acknowledgement. What raises is halved until the one at fault is alone.

        Without entries: tell a portion of what waits.
        """
        try:
            batch = self._compute(entries, time.monotonic(), apart=bool(entries))
            if batch is not None:
                self._write(batch)
        except HANDLED_ELSEWHERE:
            raise
        except Exception:  # some tick's doing, whatever it is: its neighbours are not to suffer
            metrics.errors.labels("handler").inc()
            if not entries:
                logger.exception("what was told without any entry failed")
                return
            if len(entries) == 1:
                logger.exception("tick %s of %s cannot be handled", entries[0][1], entries[0][0])
                self.failed.add(entries[0][0])
                return
            half = len(entries) // 2
            self.handle(entries[:half])
            self.handle(entries[half:])

    def _compute(self, entries: Sequence[StreamEntry], begun: float, *, apart: bool = False) -> Batch | None:
        """What is to be written: of these entries, and of what waits unless they are handled `apart`. None: nothing."""
        if not entries and not self.backlog:
            return None
        now = self.clock()
        decoded = self.cycle.decode(entries, now + self.options.max_ahead)
        ticks = decoded.ticks
        decoded_at = time.monotonic()
        refused = self.prepare(ticks, now)
        prepared_at = time.monotonic()
        if refused:
            read = {(stream, entry_id): entry for stream, entry_id, entry in entries}
            for tick in ticks:
                if why := refused.get(tick.contract.text):
                    where = (tick.stream, tick.entry_id)
                    decoded.rejected.append(DeadLetter(*where, read[where], why.reason, str(why)))
            ticks = [tick for tick in ticks if tick.contract.text not in refused]
        result = self.cycle.handle(ticks, None if self.options.own_time else now, chains=False)
        self._report(result)
        metrics.ticks.labels("skipped").inc(decoded.skipped)
        portion: Portion = {}
        if apart:
            self.backlog.supersede(result.topics)
        else:
            portion = self.backlog.move_into(result.topics, len(entries))
        computed = time.monotonic()
        metrics.stages.observe(decoded_at - begun, len(entries), "decoding")
        metrics.stages.observe(prepared_at - decoded_at, len(entries), "preparing")
        metrics.stages.observe(computed - prepared_at, len(entries), "pricing")
        return Batch(entries, result, portion, decoded.rejected, begun, computed)

    def _report(self, result: CycleResult) -> None:
        """Each failure is counted; what fails with every batch is a line a minute in the log."""
        metrics.repriced.inc(result.priced)
        for name, error in result.failures:
            metrics.errors.labels(name).inc()
            now = time.monotonic()
            if now - self._reported.get(name, -math.inf) >= REPORT_SECONDS:
                self._reported[name] = now
                logger.error("%s failed: %s", name, error, exc_info=error)

    def _write(self, batch: Batch) -> None:
        """First to PostgreSQL, then the effects and the acknowledgement."""
        result, count, taken = batch.result, len(batch.entries), time.monotonic()
        self.patiently(lambda: store_ticks(self.model, result.ticks))
        stored = time.monotonic()
        self._commit(batch.entries, result, batch.rejected)
        done = time.monotonic()
        metrics.ticks.labels("accepted").inc(len(result.ticks))
        for tick in result.ticks:
            if tick.suspect:
                metrics.suspect.labels(tick.suspect).inc()
        metrics.ticks.labels("rejected").inc(len(batch.rejected))
        metrics.processing_time.observe(done - batch.begun, count)
        metrics.stages.observe(taken - batch.computed, count, "queueing")
        metrics.stages.observe(stored - taken, count, "storing")
        metrics.stages.observe(done - stored, count, "publishing")

    def prepare(self, ticks: Sequence[Tick], now: float) -> dict[str, RejectedTick]:
        """Make the book ready for these ticks; returns the keys that are refused, and why."""
        at = None if self.options.own_time else now
        book, register = self.cycle.book, self.options.register
        refused = self.patiently(
            lambda: prepare_contracts(book, ticks, register=register, new_contracts=self.new_contracts, now=at)
        )
        if refused:
            for tick in ticks:
                if tick.contract.text in refused:
                    self.cycle.decoder.forget(tick.stream, tick.contract.text)
        return refused

    def patiently(self, call: Callable[[], Answer]) -> Answer:
        """Until PostgreSQL answers: what is in hand stays there, the streams stay ours. Raises when told to stop."""
        delay = BACKOFF[0]
        while True:
            heartbeat.beat()  # to try again is to work, whatever PostgreSQL refuses
            try:
                return call()
            except UNAVAILABLE as error:
                metrics.errors.labels(type(error).__name__).inc()
                connection.close()
                if self.stop.is_set():
                    raise
                logger.error("PostgreSQL: %s; trying again in %.1f s", str(error).strip(), delay)
                self.ownership.renew(self.owned)
                self.stop.wait(delay)
                delay = min(delay * 2, BACKOFF[1])

    def _commit(self, entries: Sequence[StreamEntry], result: CycleResult, rejected: Sequence[DeadLetter]) -> None:
        told = {tick_stream(underlying) for underlying in result.topics} & self.owned.keys()
        left = self.effects.commit(entries, result, rejected, told)
        at_fault = self._blame(left.failed, result, rejected)
        for stream in {stream for stream, _, _ in entries} - at_fault:
            self.paused.succeeded(stream)
        for stream, (first, gone) in left.removed.items():
            if progress := self.owned.get(stream):
                # Entries taken over are older than what was read last: they were accounted for when they were.
                fresh = [entry_id for each, entry_id, _ in entries if each == stream]
                if fresh and parse_id(fresh[0]) > progress.delivered:
                    self.report_lost(stream, progress.account(fresh, first, gone))

    def _blame(self, failed: Mapping[str, str], result: CycleResult, rejected: Sequence[DeadLetter]) -> set[str]:
        """The streams that write to keys at which a transaction failed; they are to be put aside."""
        names = self.effects.names
        at_fault: set[str] = set()
        for key, why in failed.items():
            writing = streams_writing(key, names, result, rejected)
            metrics.errors.labels("key").inc()
            logger.error("%s cannot be written, for %s: %s", key, ", ".join(sorted(writing)), why)
            at_fault |= writing
        if names.dead_letters in failed:
            for each in rejected:
                logger.error("entry %s of %s has no dead letter: %s", each.entry_id, each.stream, each.reason)
        self.at_fault |= at_fault
        return at_fault

    def report_lost(self, stream: str, lost: int) -> None:
        if lost:
            metrics.trimmed.labels(stream).inc(lost)
            logger.error("%d entries of %s were removed before they were read", lost, stream)

    def give_up(self, entries: Sequence[StreamEntry], deliveries: int) -> None:
        detail = f"handling it failed {deliveries} times"
        rejected = [
            DeadLetter(stream, entry_id, entry, Reason.HANDLER_ERROR, detail) for stream, entry_id, entry in entries
        ]
        self._commit(entries, CycleResult(), rejected)
        metrics.ticks.labels("rejected").inc(len(rejected))
