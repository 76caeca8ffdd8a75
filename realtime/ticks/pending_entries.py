"""Take over entries that were delivered and not acknowledged, by a dead consumer or by this one."""

from collections.abc import Iterable
from threading import Event

from realtime.consumer_groups import ConsumerGroup, runs
from realtime.intervals import Intervals
from realtime.ticks.batches import Batches
from realtime.ticks.options import Options
from realtime.ticks.ownership import Ownership
from signalsite.foundation import heartbeat

SUSPICIOUS = 3  # deliveries after which an entry is handled alone: it may be what kills its consumers


class PendingEntries:
    def __init__(
        self,
        group: ConsumerGroup,
        batches: Batches,
        ownership: Ownership,
        *,
        options: Options,
        owned: Iterable[str],
        intervals: Intervals,
        stop: Event,
    ) -> None:
        self.group = group
        self.batches = batches
        self.ownership = ownership
        self.options = options
        self.owned = owned
        self.intervals = intervals
        self.stop = stop

    def claim(self, stream: str, idle_seconds: float) -> int:
        """Handle the stream's pending entries that are idle for so long; return how many were taken over.

        An entry that was delivered `max_deliveries` times goes to the dead letters.
        """
        claimed, idle_ms = 0, int(idle_seconds * 1000)
        while pending := self.group.pending(stream, idle_ms):
            for first, number, deliveries in runs(pending, SUSPICIOUS, self.options.batch):
                if self.stop.is_set() or stream in self.batches.writer.at_fault:  # the next step pauses the stream
                    return claimed
                heartbeat.beat()
                entries, removed = self.group.claim(stream, first, number, idle_ms)
                self.batches.writer.report_lost(stream, removed)
                claimed += len(entries)
                if deliveries >= self.options.max_deliveries:
                    self.batches.writer.give_up(entries, deliveries)
                else:
                    self.batches.handle(entries)
                if self.intervals.is_due("settle", self.options.lease / 3):
                    self.ownership.renew(self.owned)
            if stream in self.batches.failed or len(pending) < 10_000:
                break
        return claimed
