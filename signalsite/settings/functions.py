"""Users' functions: whether they run, and what one may cost (docs/functions.md)."""

from .environment import at_least, between, env

FUNCTIONS_ENABLED = env.bool("FUNCTIONS_ENABLED", True)
FUNCTIONS_CPU_SECONDS = env.float("FUNCTIONS_CPU_SECONDS", 1.0, validate=between(0.05, 20))  # of one call
FUNCTIONS_SECONDS = env.float("FUNCTIONS_SECONDS", 5.0, validate=between(0.1, 30))  # of one call, by the wall's clock
FUNCTIONS_BATCH_SECONDS = env.float("FUNCTIONS_BATCH_SECONDS", 20.0, validate=between(1, 40))  # of a job's chunk
FUNCTIONS_MEMORY_MB = env.int("FUNCTIONS_MEMORY_MB", 512, validate=between(64, 16_384))
FUNCTIONS_CONCURRENCY = env.int("FUNCTIONS_CONCURRENCY", 2, validate=between(1, 64))  # of one process of the service
FUNCTIONS_PER_USER = env.int("FUNCTIONS_PER_USER", 50, validate=at_least(1))
FUNCTIONS_VERSIONS = env.int("FUNCTIONS_VERSIONS", 100, validate=at_least(1))  # of one function
FUNCTIONS_LOG_DAYS = env.int("FUNCTIONS_LOG_DAYS", 90, validate=between(1, 36_500))
