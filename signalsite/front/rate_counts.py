"""The counts of requests by caller and minute, in Redis."""

from collections.abc import Mapping

from signalsite.foundation.limits import counters
from signalsite.front.rate import MINUTE

KEY = "api_v2_requests:{minute}"


def exchange(minute: int, counts: Mapping[str, int]) -> Mapping[str, int]:
    """Add counts, and return those of all processes. Raises redis.RedisError."""
    key = KEY.format(minute=minute)
    with counters().pipeline(transaction=False) as pipeline:
        for name, count in counts.items():
            pipeline.hincrby(key, name, count)
        pipeline.expire(key, 2 * MINUTE)
        *totals, _ = pipeline.execute()
    return dict(zip(counts, totals, strict=True))
