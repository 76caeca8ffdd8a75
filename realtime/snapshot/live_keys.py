"""Which instruments have a live state."""

from collections.abc import Sequence

import redis
from django.conf import settings

from realtime.core.names import Names
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.redis import client
from timeframes.core.keys import parse_key

_NAMES = Names()


def live_among(keys: Sequence[str]) -> list[bool | None]:
    """Say of each instrument key whether the tick consumer keeps a state of it. Raises RedisConnectionError."""
    if not keys:
        return []
    try:
        with client(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hexists(_NAMES.latest(parse_key(key).underlying), key)
            return [bool(found) for found in pipeline.execute()]
    except redis.RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
