"""Micro-batches: computed on one thread while the previous one is written on another.

Ticks and bars are in PostgreSQL before a transaction in Redis leaves their effects and acknowledges them
(`batch_writer`).
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.db import connection

from moneyness.core.records import ChainRecords
from realtime.consumer_groups import StreamEntry
from realtime.core.group_progress import GroupProgress
from realtime.ticks import metrics
from realtime.ticks.batch_writer import Batch, BatchWriter
from realtime.ticks.contracts import prepare_contracts
from realtime.ticks.core.backlog import Backlog, Portion
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.dead_letters import DeadLetter
from realtime.ticks.core.new_contracts import NewContractLimits
from realtime.ticks.core.tick import RejectedTick, Tick
from realtime.ticks.guard import HANDLED_ELSEWHERE
from realtime.ticks.options import Options
from realtime.ticks.ownership import Ownership

logger = logging.getLogger(__name__)

REPORT_SECONDS = 60.0


class Batches:
    """`owned`: the streams that this consumer owns; their owner keeps it up to date."""

    def __init__(
        self,
        cycle: Cycle,
        writer: BatchWriter,
        ownership: Ownership,
        *,
        options: Options,
        owned: dict[str, GroupProgress],
        clock: Callable[[], float],
    ) -> None:
        self.cycle = cycle
        self.writer = writer
        self.ownership = ownership
        self.options = options
        self.owned = owned
        self.clock = clock
        self.new_contracts = NewContractLimits(options.sanity)
        self.backlog = Backlog()
        self.evaluations = writer.evaluations
        self.configurations = writer.configurations
        self.failed: set[str] = set()  # streams with entries whose handling raised
        self._reported: dict[str, float] = {}  # by name of a chain or a computation: when its failure was last logged
        self._thread = ThreadPoolExecutor(1, "writer")
        self._writing: tuple[Batch, Future[None]] | None = None

    def compute(self, entries: Sequence[StreamEntry]) -> Batch | None:
        """Compute a batch from entries just read, or None if there is nothing to write.

        The previous batch is being written meanwhile. If an entry raises, the entries are handled apart before this
        returns.
        """
        try:
            return self._compute(entries, time.monotonic())
        except HANDLED_ELSEWHERE:
            raise
        except Exception as error:  # noqa: BLE001 - a tick's fault, whatever it is: `handle` finds the tick
            logger.warning("%d entries are handled apart, since together they raise %r", len(entries), error)
            self.finish()
            self.handle(entries)
            return None

    def reprice(self) -> None:
        """Price the chains that are due, while a batch is being written. The next batches publish the states."""
        now = self.clock()
        if self.options.own_time or self.cycle.due_in(now):
            return
        try:
            result = self.cycle.handle((), now)
        except Exception:  # no tick is at fault: the batch being written goes on, and the next interval tries again
            metrics.errors.labels("handler").inc()
            logger.exception("repricing what was due failed")
            return
        self._report(result)
        self.backlog.add(result.topics)

    def evaluate(self) -> None:
        """Evaluate the chains that are due, while a batch is being written. The next batches store and publish it."""
        now = self.clock()
        if self.options.own_time or self.evaluations.due_in(now):
            return
        try:
            result = self.evaluations.run(now)
        except HANDLED_ELSEWHERE:
            raise
        except Exception:  # no tick is at fault: the batch being written goes on, and the next interval tries again
            metrics.errors.labels("handler").inc()
            logger.exception("evaluating what was due failed")
            return
        self._report(result)
        self.backlog.add(result.topics)

    def drop(self, underlying: str) -> None:
        """Drop what waits to be stored or published of an underlying: another consumer owns it."""
        self.backlog.forget(underlying)
        self.evaluations.drop(underlying)
        self.configurations.drop(underlying)

    def begin(self, batch: Batch | None) -> None:
        """Start writing a batch. The previous one must be finished."""
        if batch is not None:
            self._writing = (batch, self._thread.submit(self.writer.write, batch))

    def finish(self) -> None:
        """Wait for the batch that is being written, if any. Raises what its writing raised."""
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
            self.evaluations.put_back(batch.records)
            self.handle(batch.entries)
            self.handle(())  # the portion alone: if it cannot be published it is dropped

    def handle(self, entries: Sequence[StreamEntry]) -> None:
        """Take entries all the way to their acknowledgement. If they raise, halve them until the one at fault is alone.

        Without entries, publish a portion of the backlog.
        """
        try:
            batch = self._compute(entries, time.monotonic(), apart=bool(entries))
            if batch is not None:
                self.writer.write(batch)
        except HANDLED_ELSEWHERE:
            raise
        except Exception:  # a tick's fault, whatever it is: the other ticks go on
            metrics.errors.labels("handler").inc()
            if not entries:
                logger.exception("publishing a part of the backlog failed")
                return
            if len(entries) == 1:
                logger.exception("tick %s of %s cannot be handled", entries[0][1], entries[0][0])
                self.failed.add(entries[0][0])
                return
            half = len(entries) // 2
            self.handle(entries[:half])
            self.handle(entries[half:])

    def empty(self) -> None:
        """Write everything that waits, including the chains that are due."""
        self.finish()
        self.reprice()
        self.evaluate()
        while self.backlog or self.evaluations.records:
            self.handle(())

    def forget(self) -> None:
        """Drop everything in hand, after the batch that is being written has ended in whichever way."""
        if self._writing is not None:
            wait([self._writing[1]])
            self._writing = None
        self.failed.clear()
        self.writer.at_fault.clear()
        self.backlog.clear()
        self.evaluations.forget()
        self.configurations.forget()
        self.writer.effects.forget()
        self.writer.bars.forget()

    def close(self) -> None:
        self._thread.submit(lambda: connection.close()).result()  # Django's connections are per thread
        self._thread.shutdown()

    def prepare(self, ticks: Sequence[Tick], now: float) -> dict[str, RejectedTick]:
        """Add the contracts of these ticks to the book. Return the keys that are rejected, and why."""
        at = None if self.options.own_time else now
        book, register = self.cycle.book, self.options.register
        rejected = self.writer.bars.retry.run(
            lambda: prepare_contracts(book, ticks, register=register, new_contracts=self.new_contracts, now=at)
        )
        if rejected:
            for tick in ticks:
                if tick.contract.text in rejected:
                    self.cycle.decoder.forget(tick.stream, tick.contract.text)
        return rejected

    def _compute(self, entries: Sequence[StreamEntry], begun: float, *, apart: bool = False) -> Batch | None:
        """Compute what is to be written: these entries and, unless `apart`, what waits of chains. None: nothing."""
        if not entries and not self.backlog and not self.evaluations.records:
            return None
        now = self.clock()
        decoded = self.cycle.decode(entries, now + self.options.max_ahead)
        ticks = decoded.ticks
        decoded_at = time.monotonic()
        rejected = self.prepare(ticks, now)
        prepared_at = time.monotonic()
        if rejected:
            read = {(stream, entry_id): entry for stream, entry_id, entry in entries}
            for tick in ticks:
                if why := rejected.get(tick.contract.text):
                    where = (tick.stream, tick.entry_id)
                    decoded.rejected.append(DeadLetter(*where, read[where], why.reason, str(why)))
            ticks = [tick for tick in ticks if tick.contract.text not in rejected]
        failures = []
        if self.options.own_time:
            failures = self.evaluations.look_up()
            self.configurations.load_for(ticks)
        between = self.configurations.between
        result = self.cycle.handle(ticks, None if self.options.own_time else now, chains=False, between=between)
        result.failures += failures
        self.configurations.finish(result)
        self._report(result)
        metrics.ticks.labels("skipped").inc(decoded.skipped)
        portion: Portion = {}
        records = ChainRecords()
        if apart:
            self.backlog.supersede(result.topics)
        else:
            portion = self.backlog.move_into(result.topics, len(entries))
            records = self.evaluations.take()
        computed = time.monotonic()
        metrics.stages.observe(decoded_at - begun, len(entries), "decoding")
        metrics.stages.observe(prepared_at - decoded_at, len(entries), "preparing")
        metrics.stages.observe(computed - prepared_at, len(entries), "pricing")
        return Batch(entries, result, portion, records, decoded.rejected, begun, computed)

    def _report(self, result: CycleResult) -> None:
        """Count each failure. Log a repeated one once a minute."""
        metrics.repriced.inc(result.priced)
        metrics.left_out.inc(result.left_out)
        for name, error in result.failures:
            metrics.errors.labels(name).inc()
            now = time.monotonic()
            if now - self._reported.get(name, -math.inf) >= REPORT_SECONDS:
                self._reported[name] = now
                logger.error("%s failed: %s", name, error, exc_info=error)
