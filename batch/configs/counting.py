"""Counts of runs over all processes and restarts, kept beside the events of the batch engine, for Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from django.db import connection
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from signals.configs.models import ConfigurationRun

BOUNDS_MS = (50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)
RUNS, LATENESS, SUM = "config_runs:", "config_lateness:", "config_lateness:sum_ms"
_State = ConfigurationRun.State
# In one order, so that two processes do not wait for each other.
_ADD = """
INSERT INTO batch_eventcount AS kept (name, count)
SELECT name, count FROM unnest(%s::text[], %s::bigint[]) AS more(name, count) ORDER BY name
ON CONFLICT (name) DO UPDATE SET count = kept.count + EXCLUDED.count
"""
_OPEN = """
SELECT state, count(*) FROM signal_configuration_runs WHERE state IN ('waiting', 'running') GROUP BY state
"""
_KEPT = "SELECT name, count FROM batch_eventcount WHERE starts_with(name, 'config_')"


def count_ended(rows: Iterable[tuple[str, float | None]]) -> None:
    """Add runs that ended, each with its state and its lateness in milliseconds, in the caller's transaction."""
    counts: Counter[str] = Counter()
    for state, lateness in rows:
        counts[f"{RUNS}{state}"] += 1
        if lateness is not None:
            counts[f"{LATENESS}{bisect_left(BOUNDS_MS, lateness)}"] += 1
            counts[SUM] += round(lateness)
    add(counts)


def count_unstarted(*, missed: int, failed: int) -> None:
    add({f"{RUNS}{_State.MISSED}": missed, f"{RUNS}{_State.FAILED}": failed})


def add(counts: Mapping[str, int]) -> None:
    if any(counts.values()):
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [list(counts), list(counts.values())])


def metrics() -> Iterator[Metric]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN)
        waiting = dict(cursor.fetchall())
        cursor.execute(_KEPT)
        kept = dict(cursor.fetchall())
    still = GaugeMetricFamily("signal_config_open_runs", "Scheduled runs that have not ended.", labels=["state"])
    for state in (_State.WAITING, _State.RUNNING):
        still.add_metric([state], waiting.get(state, 0))
    ended = CounterMetricFamily("signal_config_runs", "Due moments of configurations, by what came.", labels=["state"])
    for state in (_State.DONE, _State.FAILED, _State.MISSED):
        ended.add_metric([state], kept.get(f"{RUNS}{state}", 0))
    buckets, total = list[tuple[str, float]](), 0
    for place, bound in enumerate((*BOUNDS_MS, None)):
        total += kept.get(f"{LATENESS}{place}", 0)
        buckets.append(("+Inf" if bound is None else f"{bound / 1000:g}", total))
    lateness = HistogramMetricFamily("signal_config_lateness_seconds", "From when a run should start to its start.")
    lateness.add_metric([], buckets, kept.get(SUM, 0) / 1000)
    yield from (still, ended, lateness)
