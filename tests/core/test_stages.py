"""Histograms of the stages of a tick's way, and how the benchmark reads them."""

import pytest

from bench.stages import quantile
from realtime.durations import Durations


def buckets(durations: Durations) -> dict[tuple[str, str], float]:
    (family,) = durations.collect()
    return {
        (sample.labels.get("stage", ""), sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }


def test_many_share_a_duration_and_buckets_add_up():
    durations = Durations("seconds", "Seconds.", (0.001, 0.01), ("a", "b"))
    durations.observe(0.001, 3, "a")
    durations.observe(0.005, 2, "a")
    durations.observe(7.0, 4, "b")
    found = buckets(durations)
    assert [found["a", bound] for bound in ("0.001", "0.01", "+Inf")] == [3, 5, 5]
    assert [found["b", bound] for bound in ("0.001", "0.01", "+Inf")] == [0, 0, 4]


def test_without_stages_there_is_one_histogram():
    durations = Durations("seconds", "Seconds.", (1.0,))
    durations.observe(0.5, 2)
    assert buckets(durations) == {("", "1.0"): 2, ("", "+Inf"): 2}


def test_quantiles_are_read_as_prometheus_does():
    counts = {0.01: 50.0, 0.02: 90.0, float("inf"): 100.0}
    assert quantile(counts, 0.5) == pytest.approx(0.01)
    assert quantile(counts, 0.7) == pytest.approx(0.015)
    assert quantile(counts, 0.99) == 0.02, "beyond the last bound nothing more is known"
