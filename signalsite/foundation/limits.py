"""Limits on attempts, counted in Redis by its clock, so that all processes share the counts.

`take` is one script: it counts under all of its keys or under none, also when callers race. Another kind of limit, such
as a sliding window per user or endpoint, is another script behind the same two functions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.once import made_once

_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local wait = 0
for _, key in ipairs(KEYS) do
  wait = math.max(wait, (tonumber(redis.call('HGET', key, 'until')) or 0) - now)
end
if wait > 0 then return wait end
for place, key in ipairs(KEYS) do
  local free, first, longest, forget = unpack(ARGV, place * 4 - 3, place * 4)
  local count = redis.call('HINCRBY', key, 'count', 1)
  local delay = 0
  if count >= tonumber(free) then delay = math.min(first * 2 ^ (count - free), tonumber(longest)) end
  redis.call('HSET', key, 'until', now + delay)
  redis.call('PEXPIRE', key, delay + forget)
end
return 0
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    if redis.call('HINCRBY', key, 'count', -1) > 0 then redis.call('HSET', key, 'until', 0)
    else redis.call('DEL', key) end
  end
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingDelay:
    """Allow `free` attempts, then delay by `first` seconds, doubled with each further attempt up to `longest`.

    The count expires `forget` seconds after the last delay.
    """

    free: int
    first: float
    longest: float
    forget: float

    def milliseconds(self) -> list[int]:
        return [self.free, *(round(each * 1000) for each in (self.first, self.longest, self.forget))]


@made_once
def counters() -> "redis.Redis":
    """Return a client without redis-py's retries, which would count an attempt twice."""
    return redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_OPTIONS, retry=Retry(NoBackoff(), 0))


def take(limits: Mapping[str, GrowingDelay]) -> float:
    """Count one attempt under every key and return 0, or count none and return the seconds to wait.

    Raises RedisConnectionError.
    """
    arguments = [number for limit in limits.values() for number in limit.milliseconds()]
    waiting: int = _run(_TAKE, list(limits), arguments)
    return waiting / 1000


def give_back(keys: Iterable[str]) -> None:
    """Take back the attempt that was counted under these keys. Raises RedisConnectionError."""
    _run(_GIVE_BACK, list(keys), [])


def _run(script: str, keys: list[str], arguments: list[int]) -> Any:
    try:
        return _registered(script)(keys=keys, args=arguments)
    except RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error


@cache
def _registered(script: str) -> Any:
    return counters().register_script(script)
