"""Pages of bars in the cache Redis: bounded in lifetime and bytes, never waited for long, never needed."""

import logging
import time
from collections.abc import Iterable

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from signalsite.foundation.once import made_once
from timeframes.bars.pages import BarsPage, decode, encode

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.2  # for the server: making a page anew rarely takes longer
REST_SECONDS = 5.0  # after a failure, without asking it


def _client() -> "redis.Redis":
    return _client_of(settings.CACHE_URL)


@made_once
def _client_of(url: str) -> "redis.Redis":
    options = {**settings.REDIS_OPTIONS, "socket_timeout": WAIT_SECONDS, "socket_connect_timeout": WAIT_SECONDS}
    return redis.Redis.from_url(url, **options, retry=Retry(NoBackoff(), 0))


class RedisPages:
    """One for each process. Within a lifetime it writes at most BARS_CACHE_REDIS_BYTES, so that what lives is bounded
    even where the server has other users."""

    def __init__(self) -> None:
        self._rests_until = 0.0
        self._failing = False
        self._window, self._written = 0.0, 0

    def get(self, name: str) -> BarsPage | None:
        if time.monotonic() < self._rests_until:
            return None
        try:
            content = _client().get(name)
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._works()
        return decode(name, content) if isinstance(content, bytes) else None

    def put(self, pages: Iterable[tuple[str, BarsPage]]) -> None:
        if time.monotonic() < self._rests_until:
            return
        try:
            with _client().pipeline(transaction=False) as pipeline:
                for name, page in pages:
                    content = encode(page)
                    if self._may_write(len(name) + len(content)):
                        pipeline.set(name, content, ex=settings.BARS_CACHE_SECONDS)
                pipeline.execute()
        except (RedisError, OSError) as error:
            self._failed(error)
        else:
            self._works()

    def _may_write(self, size: int) -> bool:
        now = time.monotonic()
        if now - self._window > settings.BARS_CACHE_SECONDS:
            self._window, self._written = now, 0
        if self._written + size > settings.BARS_CACHE_REDIS_BYTES // 2:  # two windows overlap in one lifetime
            return False
        self._written += size
        return True

    def _failed(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        if not self._failing:
            logger.warning("the cache of bars is away, and pages are made anew: %s", error)
        self._failing = True

    def _works(self) -> None:
        if self._failing:
            logger.warning("the cache of bars is back")
        self._failing = False
