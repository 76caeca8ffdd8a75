"""Which instruments have a live state."""

from collections.abc import Sequence

import redis
from django.conf import settings

from realtime.core.names import Names
from signalsite.foundation.errors import InvalidInput, RedisConnectionError
from signalsite.foundation.redis import client
from timeframes.core.keys import parse_key

_NAMES = Names()


def _underlying_of(key: str) -> str | None:
    try:
        return parse_key(key).underlying
    except InvalidInput:
        return None


def live_among(keys: Sequence[str]) -> list[bool | None]:
    """Say of each instrument key whether the tick consumer keeps a state of it. Raises RedisConnectionError.

    A stored key that does not follow the grammar gets None.
    """
    underlyings = [_underlying_of(key) for key in keys]
    if not any(underlyings):
        return [None] * len(keys)
    try:
        with client(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
            for key, underlying in zip(keys, underlyings, strict=True):
                if underlying is not None:
                    pipeline.hexists(_NAMES.latest(underlying), key)
            found = iter(pipeline.execute())
            return [None if underlying is None else bool(next(found)) for underlying in underlyings]
    except redis.RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
