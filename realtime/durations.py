"""Histograms that count many equal observations at once: prometheus_client takes one at a time."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

STAGE_BOUNDS = (
    *(0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, 0.025),
    *(0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0),
)
"""Bounds for the stages of a tick's way, in seconds."""


class Durations(Collector):
    """One histogram, or one for each of `stages`. One thread observes a stage; any thread may collect."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], stages: Sequence[str] = ()) -> None:
        self.name, self.text, self.bounds = name, text, bounds
        self._labels = ["stage"] if stages else []
        self._counts = {stage: [0] * (len(bounds) + 1) for stage in stages or ("",)}
        self._seconds = dict.fromkeys(self._counts, 0.0)

    def observe(self, seconds: float, times: int, stage: str = "") -> None:
        """Count `times` observations of `seconds` each."""
        self._counts[stage][bisect_left(self.bounds, seconds)] += times
        self._seconds[stage] += seconds * times

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self.name, self.text, labels=self._labels)
        for stage, counts in self._counts.items():
            total = 0
            buckets = []
            for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric([stage] if self._labels else [], buckets, self._seconds[stage])
        yield family
