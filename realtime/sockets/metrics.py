"""Prometheus metrics of the sockets of this process."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from realtime.durations import STAGE_BOUNDS, Durations


@dataclass(slots=True)
class Totals:
    """Totals since the process began. Only the event loop writes them; any thread may read them."""

    connections: int = 0
    streams: int = 0
    followed: int = 0
    sent: int = 0
    conflated: int = 0
    dropped: int = 0
    refused: int = 0
    gaps: int = 0
    bad_states: int = 0
    remembered: int = 0


TOTALS = Totals()
STAGES = Durations(
    "signal_websocket_stage_seconds",
    "Seconds that new states spend in each stage of their way to the sockets.",
    STAGE_BOUNDS,
    ("hearing", "sending"),
)
"""Hearing: from the entry's ID, in milliseconds by its writer's clock, to its reading. Sending: from there to the last
of its sockets, as far as they accept it."""
_GAUGES = {
    "connections": "Open sockets.",
    "streams": "Redis streams that the hub reads.",
    "followed": "Those that it reads for live reads over HTTP.",
}
_COUNTERS = {
    "sent": "States of topics sent.",
    "conflated": "States that a newer one replaced before they were sent.",
    "dropped": "States given up because too many topics waited for one socket.",
    "refused": "Connections refused or closed for a limit, an origin or a missing token.",
    "bad_states": "Kept newest states that cannot be read, and are shown to nobody.",
    "gaps": "Times that a stream was found emptied or trimmed before it was read.",
    "remembered": "Reads of newest states, for requests over HTTP, that the hub's memory answered and not Redis.",
}


class SocketCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"signal_websocket_{name}", text, value=getattr(TOTALS, name))
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"signal_websocket_{name}", text, value=getattr(TOTALS, name))


def register() -> None:
    REGISTRY.register(SocketCollector())
    REGISTRY.register(STAGES)
