"""The tick consumer in Prometheus' terms (names of the seeds)."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Metric
from prometheus_client.core import REGISTRY, HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ProcessingTime(Collector):
    """From a tick's reading to its acknowledgement. Many ticks share a duration: the library's histogram takes one."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float, ticks: int) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += ticks
        self.seconds += seconds * ticks

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily("signal_service_processing_time", "Seconds from a tick's reading to its ack.")
        total = 0
        buckets = []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric([], buckets, self.seconds)
        yield family


processing_time = ProcessingTime()
REGISTRY.register(processing_time)
ticks = Counter("signal_service_tick_count", "Ticks acknowledged, by what became of them.", ["outcome"])
errors = Counter("signal_service_error_count", "Errors, by kind.", ["kind"])
queue_length = Gauge("signal_service_queue_length", "Entries not yet acknowledged, by stream.", ["stream"])
trimmed = Counter("signal_service_trimmed_ticks", "Entries that were removed before anybody had read them.", ["stream"])
suspect = Counter("signal_service_suspect_ticks", "Accepted ticks that were kept without being believed.", ["mark"])
bad_states = Counter("signal_service_bad_states", "Newest states that could not be read, and were dropped.")
owned = Gauge("signal_service_owned_streams", "Streams that this consumer owns.")
repriced = Counter("signal_service_priced_options", "Options priced, for a tick or because their underlying moved.")
