"""Prometheus metrics of the batch engine, read from its tables: they cover all processes and survive a restart."""

import logging
from collections.abc import Iterator

from django.db import DatabaseError, connection
from prometheus_client import Metric
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from batch.configs import counting
from batch.jobs.models import Chunk, Job

logger = logging.getLogger(__name__)

_OPEN_JOBS = "SELECT status, count(*) FROM batch_job WHERE finished_at IS NULL GROUP BY status"
_CHUNKS = """
SELECT c.status, count(*), coalesce(extract(epoch FROM now() - min(j.created_at)), 0)
FROM batch_chunk c JOIN batch_job j ON j.id = c.job_id WHERE j.finished_at IS NULL GROUP BY c.status
"""
_EVENTS = "SELECT name, count FROM batch_eventcount WHERE NOT starts_with(name, 'config_')"


class BatchCollector(Collector):
    def describe(self) -> list[Metric]:
        return []  # registering must not query the database

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("signal_batch_up", "Whether the batch engine's tables could be read.")
        try:
            metrics = self._read()
            up.add_metric([], 1)
        except DatabaseError as error:
            logger.error("metrics of the batch engine are missing: %s", error)
            metrics = []
            up.add_metric([], 0)
        yield up
        yield from metrics

    def _read(self) -> list[Metric]:
        jobs = GaugeMetricFamily("signal_batch_open_jobs", "Jobs that have not ended.", labels=["status"])
        chunks = GaugeMetricFamily("signal_batch_open_chunks", "Chunks of those jobs.", labels=["status"])
        oldest = GaugeMetricFamily("signal_batch_oldest_pending_seconds", "Age of the oldest job with a pending chunk.")
        events = CounterMetricFamily(
            "signal_batch_events", "Takeovers, refusals, failures and the like.", labels=["event"]
        )
        with connection.cursor() as cursor:
            cursor.execute(_OPEN_JOBS)
            found = dict(cursor.fetchall())
            for status in Job.Status.values:
                if status not in Job.TERMINAL:
                    jobs.add_metric([status], found.get(status, 0))
            cursor.execute(_CHUNKS)
            by_status = {status: (count, age) for status, count, age in cursor.fetchall()}
            for status in Chunk.Status.values:
                chunks.add_metric([status], by_status.get(status, (0, 0))[0])
            oldest.add_metric([], float(by_status.get(Chunk.Status.PENDING, (0, 0))[1]))
            cursor.execute(_EVENTS)
            for name, count in cursor.fetchall():
                events.add_metric([name], count)
        return [jobs, chunks, oldest, events, *counting.metrics()]


def register() -> None:
    REGISTRY.register(BatchCollector())
