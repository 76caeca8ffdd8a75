"""Write a micro-batch: ticks and bars to PostgreSQL, then effects and acknowledgement to Redis in one transaction."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moneyness.core.records import ChainRecords
from realtime.consumer_groups import StreamEntry
from realtime.core.entry_ids import parse_id
from realtime.core.group_progress import GroupProgress
from realtime.core.paused_streams import PausedStreams
from realtime.ticks import metrics
from realtime.ticks.chain_evaluations import ChainEvaluations
from realtime.ticks.configurations import LiveConfigurations
from realtime.ticks.core.backlog import Portion
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.dead_letters import DeadLetter
from realtime.ticks.core.failed_commands import streams_writing
from realtime.ticks.core.tick import Reason
from realtime.ticks.effects import Effects
from realtime.ticks.live_bars import LiveBars
from realtime.ticks.live_indicators import LiveIndicators
from timeframes.core.tick_stream import tick_stream

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were read and what was computed from them.

    `portion`: the part of the backlog that is published with them. `records`: rows of evaluations. `begun`, `computed`:
    monotonic times.
    """

    entries: Sequence[StreamEntry]
    result: CycleResult
    portion: Portion
    records: ChainRecords
    dead_letters: Sequence[DeadLetter]
    begun: float
    computed: float


class BatchWriter:
    """`owned`: the streams that this consumer owns; their owner keeps it up to date."""

    def __init__(
        self,
        effects: Effects,
        bars: LiveBars,
        evaluations: ChainEvaluations,
        configurations: LiveConfigurations,
        indicators: LiveIndicators,
        *,
        owned: dict[str, GroupProgress],
        paused: PausedStreams,
    ) -> None:
        self.effects = effects
        self.bars = bars
        self.evaluations = evaluations
        self.configurations = configurations
        self.indicators = indicators
        self.owned = owned
        self.paused = paused
        self.at_fault: set[str] = set()  # streams that write to a key of another type: the consumer pauses them

    def write(self, batch: Batch) -> None:
        result, count, taken = batch.result, len(batch.entries), time.monotonic()
        try:
            self.bars.write(result)
        except BaseException:
            self.bars.doubt_all()  # some of the ticks are in memory and not in the table
            raise
        self.evaluations.store(batch.records)
        self.configurations.store(result.configured)
        stored = time.monotonic()
        self._commit(batch.entries, result, batch.dead_letters)
        self.configurations.heavy.add(result.heavy)
        done = time.monotonic()
        metrics.ticks.labels("accepted").inc(len(result.ticks))
        for tick in result.ticks:
            if tick.suspect:
                metrics.suspect.labels(tick.suspect).inc()
        metrics.ticks.labels("rejected").inc(len(batch.dead_letters))
        metrics.processing_time.observe(done - batch.begun, count)
        metrics.stages.observe(taken - batch.computed, count, "queueing")
        metrics.stages.observe(stored - taken, count, "storing")
        metrics.stages.observe(done - stored, count, "publishing")

    def settle_bars(self, until: int) -> None:
        """Publish the bars that have changed, and store those that the clock closes (`LiveBars.settle`).

        Publish also the states of indicators that wait.
        """
        rounds = self.bars.settle(until)
        self.indicators.settle()
        states = self.indicators.outbox.take()
        if rounds or states:
            self._commit((), CycleResult(bars=rounds, indicators=states), ())

    def publish(self, result: CycleResult) -> None:
        """Publish what belongs to no batch."""
        self._commit((), result, ())

    def give_up(self, entries: Sequence[StreamEntry], deliveries: int) -> None:
        """Write entries that were delivered too often to the dead letters, and acknowledge them."""
        detail = f"handling it failed {deliveries} times"
        dead_letters = [
            DeadLetter(stream, entry_id, entry, Reason.HANDLER_ERROR, detail) for stream, entry_id, entry in entries
        ]
        self._commit(entries, CycleResult(), dead_letters)
        metrics.ticks.labels("rejected").inc(len(dead_letters))

    def report_lost(self, stream: str, lost: int) -> None:
        if lost:
            metrics.trimmed.labels(stream).inc(lost)
            logger.error("%d entries of %s were removed before they were read", lost, stream)

    def _commit(self, entries: Sequence[StreamEntry], result: CycleResult, dead_letters: Sequence[DeadLetter]) -> None:
        underlyings = {*result.topics, *result.bars, *result.indicators, *result.results, *result.drained}
        publishing = {tick_stream(underlying) for underlying in underlyings} & self.owned.keys()
        committed = self.effects.commit(entries, result, dead_letters, publishing)
        at_fault = self._find_at_fault(committed.failed, result, dead_letters)
        for stream in {stream for stream, _, _ in entries} - at_fault:
            self.paused.succeeded(stream)
        for stream, (first, gone) in committed.removed.items():
            if progress := self.owned.get(stream):
                # Entries taken over are older than the newest delivered one: they have been counted already.
                fresh = [entry_id for each, entry_id, _ in entries if each == stream]
                if fresh and parse_id(fresh[0]) > progress.delivered:
                    self.report_lost(stream, progress.account(fresh, first, gone))

    def _find_at_fault(
        self, failed: Mapping[str, str], result: CycleResult, dead_letters: Sequence[DeadLetter]
    ) -> set[str]:
        """Log the keys at which a transaction failed, and return the streams that write to them."""
        names = self.effects.names
        at_fault: set[str] = set()
        for key, why in failed.items():
            writing = streams_writing(key, names, result, dead_letters)
            metrics.errors.labels("key").inc()
            logger.error("%s cannot be written, for %s: %s", key, ", ".join(sorted(writing)), why)
            at_fault |= writing
        if names.dead_letters in failed:
            for each in dead_letters:
                logger.error("entry %s of %s has no dead letter: %s", each.entry_id, each.stream, each.reason)
        self.at_fault |= at_fault
        return at_fault
