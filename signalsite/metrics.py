"""The metrics of the web process, besides django-prometheus's.

Only the web process registers them. Flower and the tick consumer have metrics of their own, and Flower collects on an
event loop, where Django refuses to query.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import DatabaseError
from prometheus_client import Metric
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from batch import metrics as batch
from realtime.sockets import metrics as realtime
from signalsite.embedded.state import RESTARTS, heartbeats_dir
from timeframes import metrics as storage

logger = logging.getLogger(__name__)


class DatabaseCollector(Collector):
    """Collects what all processes have left in the database."""

    def describe(self) -> list[Metric]:
        return []  # registering must not query the database

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("signal_batch_up", "Whether the batch engine's tables could be read.")
        found = _read(batch.read, "the batch engine")
        up.add_metric([], found is not None)
        yield up
        if found is not None:  # a database that is away would take its seconds once more
            yield from found
            yield from _read(storage.read, "storage") or ()


def _read(read: Callable[[], list[Metric]], what: str) -> list[Metric] | None:
    try:
        return read()
    except DatabaseError as error:
        logger.error("metrics of %s are missing: %s", what, error)
        return None


class ProcessCollector(Collector):
    """Collects the heartbeats and restarts of the processes of `manage.py up`. Elsewhere it yields no samples."""

    def collect(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            "signal_service_heartbeat_age_seconds",
            "Seconds since a process last touched its heartbeat file.",
            labels=["process"],
        )
        restarts = CounterMetricFamily(
            "signal_service_restarts",
            "How often a process was restarted because it had ended, or had stalled and was killed.",
            labels=["process", "reason"],
        )
        folder = heartbeats_dir(settings.STATE_DIR)
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                if file.name == RESTARTS:
                    for process, reason, count in json.loads(file.read_text()):
                        restarts.add_metric([process, reason], count)
                elif not file.suffix:
                    ages.add_metric([file.name], max(time.time() - file.stat().st_mtime, 0.0))
            except FileNotFoundError:  # its process is being started
                continue
        yield ages
        yield restarts


def register() -> None:
    REGISTRY.register(DatabaseCollector())
    realtime.register()
    REGISTRY.register(ProcessCollector())
