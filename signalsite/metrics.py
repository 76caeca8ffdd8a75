"""The metrics of the web process, besides django-prometheus's.

Only the web process registers them. Flower and the tick consumer have metrics of their own, and Flower collects on an
event loop, where Django refuses to query.
"""

import json
import time
from collections.abc import Iterator

from django.conf import settings
from prometheus_client import Metric
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from batch import metrics as batch
from realtime.sockets import metrics as realtime
from signalsite.embedded.state import RESTARTS, heartbeats_dir
from timeframes import metrics as storage


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
    batch.register()
    storage.register()
    realtime.register()
    REGISTRY.register(ProcessCollector())
