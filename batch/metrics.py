"""Prometheus metrics of the batch engine, read from its tables: they cover all processes and survive a restart."""

from django.db import connection
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from batch.configs import counting
from batch.jobs.models import Chunk, Job

_OPEN_JOBS = "SELECT status, count(*) FROM batch_job WHERE finished_at IS NULL GROUP BY status"
_CHUNKS = """
SELECT c.status, count(*), coalesce(extract(epoch FROM now() - min(j.created_at)), 0)
FROM batch_chunk c JOIN batch_job j ON j.id = c.job_id WHERE j.finished_at IS NULL GROUP BY c.status
"""
_EVENTS = "SELECT name, count FROM batch_eventcount WHERE NOT starts_with(name, 'config_')"


def read() -> list[Metric]:
    """Return the metrics. Raises DatabaseError."""
    jobs = GaugeMetricFamily("signal_batch_open_jobs", "Jobs that have not ended.", labels=["status"])
    chunks = GaugeMetricFamily("signal_batch_open_chunks", "Chunks of those jobs.", labels=["status"])
    oldest = GaugeMetricFamily("signal_batch_oldest_pending_seconds", "Age of the oldest job with a pending chunk.")
    events = CounterMetricFamily("signal_batch_events", "Takeovers, refusals, failures and the like.", labels=["event"])
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
