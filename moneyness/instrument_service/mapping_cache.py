"""Moneyness mappings in the cache's Redis (S11): refreshed before they are old, kept for when the service is away.

A mapping is young for INSTRUMENT_SERVICE_FRESH_SECONDS. Whoever reads one past half of that has it refreshed in the
background, one process at a time. An older one is fetched anew while the reader waits; if that fails, the reader gets
the old one, marked as stale, for INSTRUMENT_SERVICE_STALE_SECONDS at most.
"""

import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from threading import BoundedSemaphore
from typing import Annotated, cast

import msgspec
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from moneyness.instrument_service.contract import InstrumentServiceClient, InstrumentServiceError, NothingKnown
from moneyness.instrument_service.core.answers import MoneynessMapping
from signalsite.foundation.redis import client

logger = logging.getLogger(__name__)
MOST_BYTES = 256 << 10
"""A larger mapping is answered and not kept."""
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
_refreshes = ThreadPoolExecutor(2, thread_name_prefix="mapping-refresh")
_waiting = BoundedSemaphore(16)  # refreshes that may be queued


class _Kept(msgspec.Struct):
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    mapping: MoneynessMapping


_decoder = msgspec.json.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class CachedMappings:
    service: InstrumentServiceClient
    name: str  # of the service: entries of two services are kept apart
    now: Callable[[], datetime] = timezone.now

    def get(self, underlying: str, expiry: date | None = None) -> MoneynessMapping:
        """Return a mapping, perhaps a stale one. Raises what the service raises."""
        key = f"instrument_mapping:{self.name}:{underlying}:{expiry or 'nearest'}"
        kept = self._read(key)
        age = None if kept is None else abs((self.now() - kept.at).total_seconds())  # the clock may have been set back
        fresh = settings.INSTRUMENT_SERVICE_FRESH_SECONDS
        if kept is not None and age is not None and age <= fresh:
            if age > fresh / 2:
                self._refresh_soon(key, underlying, expiry)
            return _aged(kept.mapping, age, stale=False)
        try:
            return self._fetch(key, underlying, expiry)
        except InstrumentServiceError:
            if kept is None or age is None:
                raise
            return _aged(kept.mapping, age, stale=True)

    def _fetch(self, key: str, underlying: str, expiry: date | None) -> MoneynessMapping:
        found = self.service.mapping(underlying, expiry)
        body = msgspec.json.encode(_Kept(self.now(), found))
        if len(body) <= MOST_BYTES:
            try:
                client(settings.CACHE_URL).set(key, body, ex=settings.INSTRUMENT_SERVICE_STALE_SECONDS)
            except redis.RedisError as error:
                logger.warning("a mapping is not kept, Redis is away: %s", error)
        return found

    def _read(self, key: str) -> _Kept | None:
        try:
            body = cast(bytes | None, client(settings.CACHE_URL).get(key))
        except redis.RedisError as error:
            logger.warning("mappings are not read while Redis is away: %s", error)
            return None
        try:
            return None if body is None else _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            logger.error("the kept mapping %s cannot be read: %s", key, error)
            return None

    def _refresh_soon(self, key: str, underlying: str, expiry: date | None) -> None:
        if _waiting.acquire(blocking=False):
            _refreshes.submit(self._refresh, key, underlying, expiry)

    def _refresh(self, key: str, underlying: str, expiry: date | None) -> None:
        """Fetch a mapping if no other process is doing so."""
        lock, token = f"{key}:lock", secrets.token_hex(8)
        try:
            cache = client(settings.CACHE_URL)
            if not cache.set(lock, token, nx=True, px=round(1000 * (settings.INSTRUMENT_SERVICE_SECONDS + 1))):
                return
            try:
                self._fetch(key, underlying, expiry)
            finally:
                cache.eval(_GIVE_BACK, 1, lock, token)
        except (InstrumentServiceError, NothingKnown, redis.RedisError) as error:
            logger.warning("the mapping of %s is not refreshed: %s", underlying, error)
        except Exception:  # on a thread of its own nobody else would hear of it; the kept mapping goes on
            logger.exception("refreshing the mapping of %s failed", underlying)
        finally:
            connection.close()  # each thread has its own
            _waiting.release()


def _aged(mapping: MoneynessMapping, age: float, *, stale: bool) -> MoneynessMapping:
    """The service may itself have said that the mapping is old."""
    return msgspec.structs.replace(mapping, stale=stale or mapping.stale, age_seconds=age + mapping.age_seconds)
