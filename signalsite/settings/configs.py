"""Configurations: their stream, schedules and results (docs/configurations.md)."""

from .environment import at_least, between, env

CONFIG_STREAM = "signal_config_updates"
# Whose configurations the stream's messages are that name no `owner`: a user's name, made at the first message.
CONFIG_STREAM_OWNER = env.str("CONFIG_STREAM_OWNER", "subscription-manager")
CONFIG_MAX_BYTES = env.int("CONFIG_MAX_BYTES", 64 << 10, validate=between(256, 1 << 20))  # of one document
CONFIG_MAX_INSTRUMENTS = env.int("CONFIG_MAX_INSTRUMENTS", 1000, validate=at_least(1))  # of one configuration
CONFIGS_PER_USER = env.int("CONFIGS_PER_USER", 10_000, validate=at_least(1))
CONFIG_DEAD_LETTER_LENGTH = env.int("CONFIG_DEAD_LETTER_LENGTH", 10_000, validate=at_least(1))
CONFIG_BEAT_SECONDS = env.float("CONFIG_BEAT_SECONDS", 0.25, validate=between(0.05, 10))  # between looks for due runs
CONFIG_LATE_SECONDS = env.float("CONFIG_LATE_SECONDS", 300.0, validate=at_least(1))  # later runs count as missed
CONFIG_BAR_DELAY_SECONDS = env.float("CONFIG_BAR_DELAY_SECONDS", 2.0, validate=between(0, 60))  # until a bar is stored
CONFIG_TICK_SECONDS = env.float("CONFIG_TICK_SECONDS", 0.01, validate=at_least(0.001))  # of computations in a cycle
CONFIG_RECORD_SECONDS = env.float("CONFIG_RECORD_SECONDS", 60.0, validate=at_least(1))  # between kept rows of ticks
CONFIG_RUNS_KEEP_DAYS = env.float("CONFIG_RUNS_KEEP_DAYS", 30.0, validate=at_least(0))
CONFIG_VERSIONS_KEEP = env.int("CONFIG_VERSIONS_KEEP", 100, validate=at_least(0))  # of each configuration; 0: all
CONFIG_BATCH = env.int("CONFIG_BATCH", 50, validate=between(1, 1_000))  # messages kept in one transaction
CONFIG_MAX_DELIVERIES = env.int("CONFIG_MAX_DELIVERIES", 5, validate=at_least(1))
CONFIG_LEASE_SECONDS = env.float("CONFIG_LEASE_SECONDS", 5.0, validate=between(0.3, 60))
CONFIG_METRICS_PORT = env.int("CONFIG_METRICS_PORT", 0, validate=between(0, 65_535))
