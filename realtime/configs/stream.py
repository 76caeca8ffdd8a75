"""The stream of configurations: read it in order, keep each message, then acknowledge it."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import Any, TypeVar

import redis
from django.db import connection

from realtime.configs import metrics
from realtime.configs.core.refusals import Refusal
from realtime.configs.keeping import Entry, Kept, begin_again, keep
from realtime.configs.lease import Lease
from realtime.configs.options import Options
from realtime.configs.transactions import commit
from realtime.consumer_groups import ConsumerGroup, Redis, runs, trim
from realtime.core.entry_ids import parse_id
from realtime.core.group_progress import GroupProgress
from signalsite.foundation import heartbeat
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

BACKOFF = (0.1, 2.0)  # seconds, first and longest
SUSPICIOUS = 3  # deliveries after which a message is handled alone: it may be what ends its consumers
FORGOTTEN_CONSUMER_MS = 3_600_000


class ConfigStream:
    """`clock` returns seconds since 1970. Every method raises LeaseLost and redis.RedisError."""

    def __init__(
        self,
        client: Redis,
        lease: Lease,
        *,
        name: str,
        options: Options,
        stop: Event,
        clock: Callable[[], float],
    ) -> None:
        self.client = client
        self.lease = lease
        self.options = options
        self.stop = stop
        self.clock = clock
        self.group = ConsumerGroup(client, options.group, name)
        self._progress: GroupProgress | None = None  # None: the group may not be there

    def forget(self) -> None:
        """Begin with the pending messages again: what happened to them is unknown."""
        self._progress = None

    def handle(self) -> int:
        """Handle what waits, or what comes within the options' `poll`. Return how many messages that was."""
        if self._progress is None:
            self._take()
        try:
            read = self.group.read([self.options.stream], self.options.batch, int(self.options.poll * 1000))
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            logger.warning("the group %s is gone: Redis was flushed, or somebody removed it", self.options.group)
            self.forget()
            return 0
        self._handle([(entry_id, entry) for _, entry_id, entry in read])
        return len(read)

    def maintain(self) -> None:
        """Count what waits and what was lost, and remove what every group has acknowledged long ago."""
        if self._progress is None:
            return
        stream, options = self.options.stream, self.options
        at = self.group.position(stream)
        metrics.queue_length.set(at.waiting)
        self._report_lost(self._progress.account((), at.first, at.removed))
        if self._progress.position is None and at.delivered == self._progress.delivered:
            self._progress.position = at.position
        trim(self.client, stream, keep_ms=int(options.keep * 1000), keep_entries=options.keep_entries)
        self.group.forget_consumers(stream, FORGOTTEN_CONSUMER_MS)

    def _take(self) -> None:
        """Make the group, and handle what other consumers, or this one before, left unacknowledged."""
        stream = self.options.stream
        self.group.create(stream)
        newest = self.client.xinfo_stream(stream)["last-generated-id"]
        self._retry(lambda: begin_again(stream, newest))
        at = self.group.position(stream)
        while pending := self.group.pending(stream, 0):
            for first, number, deliveries in runs(pending, SUSPICIOUS, self.options.batch):
                if self.stop.is_set():
                    return
                claimed, removed = self.group.claim(stream, first, number, 0)
                self._report_lost(removed)
                exhausted = deliveries if deliveries >= self.options.max_deliveries else 0
                self._handle([(entry_id, entry) for _, entry_id, entry in claimed], give_up=exhausted)
        self._progress = GroupProgress(at.delivered, at.position)

    def _handle(self, entries: Sequence[Entry], *, give_up: int = 0) -> None:
        if not entries:
            return
        metrics.received.inc(len(entries))
        now = datetime.fromtimestamp(self.clock(), UTC)
        kept = self._retry(lambda: keep(self.options.stream, entries, now=now, alive=self._stay_alive, give_up=give_up))
        self._acknowledge(entries, kept)
        self._report(entries, kept)

    def _stay_alive(self) -> None:
        heartbeat.beat()
        self.lease.renew()

    def _acknowledge(self, entries: Sequence[Entry], kept: Kept) -> None:
        """Leave the dead letters and acknowledge, in one transaction."""
        options = self.options
        texts = dict(entries)

        def fill(pipeline: Any) -> None:
            for entry_id, refusal in kept.refused.items():
                fields: Any = refusal.fields(entry_id, texts[entry_id])
                pipeline.xadd(options.dead_letters, fields, maxlen=options.dead_letter_length, approximate=True)
            pipeline.xack(options.stream, options.group, *texts)

        streams = [options.dead_letters] if kept.refused else []
        for answer in commit(self.client, self.lease, fill, streams=streams):
            if isinstance(answer, Exception):
                raise answer
        if self._progress is not None:
            at = self.group.position(options.stream)
            self._report_lost(self._progress.account(sorted(texts, key=parse_id), at.first, at.removed))

    def _retry(self, call: Callable[[], Result]) -> Result:
        """Call until PostgreSQL answers, and keep the lease meanwhile. Once `stop` is set, the failure is raised."""
        delay = BACKOFF[0]
        while True:
            heartbeat.beat()
            try:
                return call()
            except UNAVAILABLE as error:
                metrics.errors.labels(type(error).__name__).inc()
                connection.close()
                if self.stop.is_set():
                    raise
                logger.error("PostgreSQL: %s; trying again in %.1f s", str(error).strip(), delay)
                self.lease.renew()
                self.stop.wait(delay)
                delay = min(delay * 2, BACKOFF[1])

    def _report(self, entries: Sequence[Entry], kept: Kept) -> None:
        now = self.clock()
        for outcome, number in kept.outcomes.items():
            metrics.handled.labels(outcome).inc(number)
        for entry_id, refusal in kept.fresh:
            metrics.refused.labels(str(refusal.reason)).inc()
            logger.warning("message %s is refused, %s: %s", entry_id, refusal.reason, _brief(refusal))
        if kept.outcomes:
            metrics.applied_at.set(now)
        metrics.lag.set(max(now - parse_id(entries[-1][0])[0] / 1000, 0.0))

    def _report_lost(self, number: int) -> None:
        if number:
            metrics.lost.inc(number)
            logger.error("%d messages of %s were removed before they were read", number, self.options.stream)


def _brief(refusal: Refusal) -> str:
    return refusal.detail[:500]
