"""Show where the time of a tick goes, from the running service's own histograms of its stages."""

from collections.abc import Mapping
from itertools import pairwise

import httpx
from prometheus_client.parser import text_string_to_metric_families

HISTOGRAMS = ("signal_service_stage_seconds", "signal_websocket_stage_seconds")
ORDER = ("waiting", "decoding", "preparing", "pricing", "queueing", "storing", "publishing", "hearing", "sending")
Buckets = dict[str, dict[float, float]]  # by stage: upper bound in seconds -> count of all at or below it


def look(*ports: int) -> Buckets:
    found: Buckets = {}
    for port in ports:
        for family in text_string_to_metric_families(httpx.get(f"http://127.0.0.1:{port}/metrics").text):
            for sample in family.samples:
                if family.name in HISTOGRAMS and sample.name.endswith("_bucket"):
                    found.setdefault(sample.labels["stage"], {})[float(sample.labels["le"])] = sample.value
    return found


def say(before: Buckets, after: Buckets) -> dict[str, float]:
    """Print p50 and p99 of each stage between two readings, and return them by name."""
    figures = {}
    for stage in ORDER:
        counts = {bound: count - before[stage][bound] for bound, count in after[stage].items()}
        for name, part in (("p50", 0.5), ("p99", 0.99)):
            figures[f"live.stage_{stage}_{name}_ms"] = quantile(counts, part) * 1000
    shown = (f"{s} {figures[f'live.stage_{s}_p50_ms']:.1f}/{figures[f'live.stage_{s}_p99_ms']:.1f}" for s in ORDER)
    print(f"          stages, p50/p99 ms: {', '.join(shown)}")
    return figures


def quantile(counts: Mapping[float, float], part: float) -> float:
    """Like Prometheus' `histogram_quantile`: interpolate within a bucket; beyond the last bound, return that bound."""
    wanted = part * max(counts.values())
    for (low, below), (high, upto) in pairwise([(0.0, 0.0), *sorted(counts.items())]):
        if upto >= wanted and upto > below:
            return low if high == float("inf") else low + (high - low) * (wanted - below) / (upto - below)
    return 0.0
