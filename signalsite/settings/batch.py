"""Jobs, chunks and webhooks."""

from .environment import DEVELOPMENT, at_least, between, env, network
from .tasks import WORKERS

API_V2_BATCH_SIZE = env.int("API_V2_BATCH_SIZE", 100, validate=between(1, 1000))
BATCH_MAX_ITEMS = env.int("BATCH_MAX_ITEMS", 1_000_000, validate=between(1, 1_000_000))
BATCH_MAX_ROWS = env.int("BATCH_MAX_ROWS", 5_000_000, validate=between(1, 100_000_000))
BATCH_CHUNK_SIZE = env.int("BATCH_CHUNK_SIZE", 0, validate=between(0, 20_000))
BATCH_MAX_OPEN_JOBS = env.int("BATCH_MAX_OPEN_JOBS", 100, validate=at_least(1))  # of one user
JOB_RETENTION_DAYS = env.float("JOB_RETENTION_DAYS", 30.0, validate=at_least(0.001))
BATCH_MAX_BODY_BYTES = env.int("BATCH_MAX_BODY_BYTES", 256 << 20, validate=between(1 << 10, 1 << 30))
BATCH_SUBMIT_SECONDS = env.float("BATCH_SUBMIT_SECONDS", 10.0, validate=between(0.1, 300))
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", DEVELOPMENT)
WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", [], subcast=network("WEBHOOK_ALLOWED_NETWORKS"))
WEBHOOK_MAX_ATTEMPTS = env.int("WEBHOOK_MAX_ATTEMPTS", 10, validate=between(1, 100))
WEBHOOK_CONCURRENCY = env.int("WEBHOOK_CONCURRENCY", max(WORKERS // 2, 1), validate=between(1, 512))
