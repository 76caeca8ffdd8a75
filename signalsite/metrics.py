"""What /metrics of the web process tells beside Django's own figures.

Registered by the web process alone: every process loads the apps and the addresses, and Flower and the tick consumer
have metrics of their own. Flower's page failed with ours: it asks from an event loop, where Django refuses to query.
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


class ProcessCollector(Collector):
    """Of the processes of `manage.py up`; elsewhere there are none to tell of."""

    def collect(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            "signal_service_heartbeat_age_seconds",
            "Since a process last showed that it works.",
            labels=["process"],
        )
        restarts = CounterMetricFamily(
            "signal_service_restarts",
            "Times that a process was started again: it had ended, or it stood still and was killed.",
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
            except FileNotFoundError:  # its process is just being started
                continue
        yield ages
        yield restarts


def register() -> None:
    batch.register()
    realtime.register()
    REGISTRY.register(ProcessCollector())
