"""Prometheus metrics of retention and of TimescaleDB's jobs, read from the database: they cover all processes."""

from django.db import connection
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from timeframes.storage.status import jobs_by_table, runs_of_retention


def read() -> list[Metric]:
    """Return the metrics. Raises DatabaseError."""
    removed = CounterMetricFamily(
        "signal_storage_removed", "Rows or chunks that beat's task removed by age.", labels=["table"]
    )
    finished = GaugeMetricFamily(
        "signal_storage_finished_timestamp_seconds", "When nothing that is due was left.", labels=["table"]
    )
    failures = CounterMetricFamily(
        "signal_storage_job_failures", "Failures of TimescaleDB's policies.", labels=["table", "job"]
    )
    success = GaugeMetricFamily(
        "signal_storage_job_success_timestamp_seconds", "When a policy last succeeded.", labels=["table", "job"]
    )
    for table, count, at in runs_of_retention(connection):
        removed.add_metric([table], count)
        if at is not None:
            finished.add_metric([table], at.timestamp())
    for table, jobs in jobs_by_table(connection).items():
        for job in jobs:
            failures.add_metric([table, job.name], job.failures or 0)
            if job.finished is not None:
                success.add_metric([table, job.name], job.finished.timestamp())
    return [removed, finished, failures, success]
