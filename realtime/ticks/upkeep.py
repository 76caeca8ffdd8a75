"""Regular upkeep of the streams that a consumer owns: their lengths, their losses, what is over."""

import logging
from collections.abc import Callable, Mapping
from functools import partial

from realtime.consumer_groups import ConsumerGroup, trim
from realtime.core.group_progress import GroupProgress
from realtime.core.names import Names
from realtime.ticks import metrics
from realtime.ticks.batch_writer import BatchWriter
from realtime.ticks.expired_chains import remove_expired_chains
from realtime.ticks.guard import succeeds
from realtime.ticks.options import Options
from timeframes.core.tick_stream import underlying_of

logger = logging.getLogger(__name__)

FORGOTTEN_CONSUMER_MS = 3_600_000


class Upkeep:
    """`owned`: the streams that this consumer owns; their owner keeps it up to date."""

    def __init__(
        self,
        group: ConsumerGroup,
        writer: BatchWriter,
        *,
        names: Names,
        options: Options,
        owned: Mapping[str, GroupProgress],
        clock: Callable[[], float],
    ) -> None:
        self.group = group
        self.writer = writer
        self.names = names
        self.options = options
        self.owned = owned
        self.clock = clock

    def run(self) -> None:
        for stream, progress in self.owned.items():
            succeeds(f"maintaining {stream}", partial(self._maintain, stream, progress))

    def _maintain(self, stream: str, progress: GroupProgress) -> None:
        at = self.group.position(stream)
        metrics.queue_length.labels(stream).set(at.waiting)
        self.writer.report_lost(stream, progress.account((), at.first, at.removed))
        if progress.position is None and at.delivered == progress.delivered:
            progress.position = at.position
        client, options = self.group.client, self.options
        trim(client, stream, keep_ms=int(options.keep * 1000), keep_entries=options.keep_entries)
        self.group.forget_consumers(stream, FORGOTTEN_CONSUMER_MS)
        if not options.own_time:
            remove_expired_chains(client, self.names, underlying_of(stream), self.clock())
