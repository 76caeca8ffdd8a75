"""Prometheus metrics of the tick consumer."""

from collections.abc import Sequence

from prometheus_client import Counter, Gauge
from prometheus_client.core import REGISTRY

from realtime.core.entry_ids import parse_id
from realtime.durations import STAGE_BOUNDS, Durations

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

processing_time = Durations("signal_service_processing_time", "Seconds from a tick's reading to its ack.", BOUNDS)
stages = Durations(
    "signal_service_stage_seconds",
    "Seconds that ticks spend in each stage of their way.",
    STAGE_BOUNDS,
    ("waiting", "decoding", "preparing", "pricing", "queueing", "storing", "publishing"),
)
"""Waiting: from the entry's ID, in milliseconds by Redis' clock, to its reading."""
evaluation_time = Durations("signal_service_chain_evaluation", "Seconds that evaluations of due chains take.", BOUNDS)
indicator_seconds = Durations("signal_service_indicator_seconds", "Seconds of a piece of live indicators.", BOUNDS)
SAMPLES = 8  # entries of a batch whose waiting time is measured


def observe_waiting(entry_ids: Sequence[str], now: float) -> None:
    """Observe how long entries read at `now` (since 1970) had waited. A sample is enough: all would be too costly."""
    stride = len(entry_ids) // SAMPLES + 1
    for place in range(0, len(entry_ids), stride):
        waited = now - parse_id(entry_ids[place])[0] / 1000
        stages.observe(max(waited, 0.0), min(stride, len(entry_ids) - place), "waiting")


REGISTRY.register(processing_time)
REGISTRY.register(stages)
REGISTRY.register(evaluation_time)
REGISTRY.register(indicator_seconds)
ticks = Counter("signal_service_tick_count", "Ticks acknowledged, by what became of them.", ["outcome"])
errors = Counter("signal_service_error_count", "Errors, by kind.", ["kind"])
queue_length = Gauge("signal_service_queue_length", "Entries not yet acknowledged, by stream.", ["stream"])
trimmed = Counter("signal_service_trimmed_ticks", "Entries that were removed before anybody had read them.", ["stream"])
suspect = Counter("signal_service_suspect_ticks", "Accepted ticks that were kept without being believed.", ["mark"])
bad_states = Counter("signal_service_bad_states", "Newest states that could not be read, and were dropped.")
owned = Gauge("signal_service_owned_streams", "Streams that this consumer owns.")
repriced = Counter("signal_service_priced_options", "Options priced, for a tick or because their underlying moved.")
evaluated = Counter("signal_service_evaluated_chains", "Evaluations of an underlying's chains.")
evaluated_at = Gauge("signal_service_chain_evaluated_at", "When chains were last evaluated, in seconds since 1970.")
indicator_values = Counter("signal_service_indicator_values", "Values of indicators computed on live bars.")
indicator_series = Gauge("signal_service_indicator_series", "Instruments x timeframes with live indicators.")
indicator_rests = Counter(
    "signal_service_indicator_rests", "Times that a live indicator was too slow, and rests.", ["indicator"]
)
recorded = Counter("signal_service_recorded_levels", "Rows that evaluations have left in the database.")
configured_results = Counter(
    "signal_service_configured_results", "Results of configurations that came from workers, and were published."
)
left_out = Counter(
    "signal_service_left_out_configurations",
    "Times that a configuration had no turn with a tick, since the results of others took all the time.",
)
configurations = Gauge("signal_service_live_configurations", "Configurations that run with ticks.")
recorded_results = Counter("signal_service_recorded_results", "Rows of configurations' results that were stored.")
outstanding_results = Gauge("signal_service_outstanding_results", "Results with ticks that workers compute now.")
