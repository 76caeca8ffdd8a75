"""Counts the requests of each user, endpoint and status, in memory, and writes them to PostgreSQL in batches.

A request adds to a count and never waits for the database. One thread a process writes what has gathered, every
API_METRICS_SECONDS, in one statement. While PostgreSQL is away the counts stay in memory, and are written later. A
process that is killed loses those of its last interval.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import Counter

logger = logging.getLogger(__name__)

NOBODY = 0  # the user of a request without one
REST = "(other)"  # the endpoint of the counts for which there was no place, and of addresses that do not exist
MOST_KEYS = 10_000
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
LOST = Counter("signal_service_api_metrics_lost", "Requests that were not counted, since PostgreSQL was away too long.")

# Sorted by the caller: two processes that lock the same rows in one order never wait for each other in a circle.
_WRITE = """
INSERT INTO signal_api_metrics AS stored (minute, user_id, endpoint, method, status, requests, seconds, slowest)
SELECT to_timestamp(m * 60), u, e, h, s, r, t, l
FROM unnest(%s::int8[], %s::int8[], %s::text[], %s::text[], %s::text[], %s::int8[], %s::float8[], %s::float8[])
    AS new(m, u, e, h, s, r, t, l)
ON CONFLICT (minute, user_id, endpoint, method, status) DO UPDATE SET
    requests = stored.requests + EXCLUDED.requests,
    seconds = stored.seconds + EXCLUDED.seconds,
    slowest = greatest(stored.slowest, EXCLUDED.slowest)
"""


class Key(NamedTuple):
    """`minute`: since 1970. `endpoint`: the pattern of the route, never the address. `status`: 2xx to 5xx."""

    minute: int
    user_id: int
    endpoint: str
    method: str
    status: str


@dataclass(slots=True)
class Count:
    requests: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def add(self, requests: int, seconds: float, slowest: float) -> None:
        self.requests += requests
        self.seconds += seconds
        self.slowest = max(self.slowest, slowest)


class Usage:
    """The counts of this process. `write` stores them, and raises DatabaseError or InterfaceError if it cannot."""

    def __init__(self, write: Callable[[Mapping[Key, Count]], None], most_keys: int = MOST_KEYS) -> None:
        self._write, self._most = write, most_keys
        self._counts: dict[Key, Count] = {}
        self._lock = threading.Lock()  # held for a moment only, never during a write
        self._failing = False

    def add(self, user_id: int, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count one request. Takes a microsecond or two, on any thread."""
        method = method if method in METHODS else "OTHER"
        key = Key(int(time.time()) // 60, user_id, endpoint or REST, method, f"{status // 100}xx")
        with self._lock:
            self._add(key, 1, seconds, seconds)

    def _add(self, key: Key, requests: int, seconds: float, slowest: float) -> None:
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= self._most:  # few keys more: no users and no endpoints
                key = key._replace(user_id=NOBODY, endpoint=REST)
                if key not in self._counts and len(self._counts) >= 2 * self._most:
                    LOST.inc(requests)
                    return
            count = self._counts.setdefault(key, Count())
        count.add(requests, seconds, slowest)

    def flush(self) -> bool:
        """Write what has gathered, and return whether that worked. What cannot be written is kept."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return True
        try:
            self._write(counts)
        except (DatabaseError, InterfaceError) as error:
            with self._lock:
                newer, self._counts = self._counts, counts
                for key, count in newer.items():
                    self._add(key, count.requests, count.seconds, count.slowest)
            if not self._failing:
                logger.error("the usage of the API cannot be stored, and waits: %s", error)
            self._failing = True
            return False
        if self._failing:
            logger.warning("the usage of the API is stored again")
        self._failing = False
        return True


def write(counts: Mapping[Key, Count]) -> None:
    """Add the counts to the table, in one statement."""
    rows = sorted(counts.items())
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                _WRITE,
                [
                    *([getattr(key, name) for key, _ in rows] for name in Key._fields),
                    [count.requests for _, count in rows],
                    [float(count.seconds) for _, count in rows],
                    [float(count.slowest) for _, count in rows],
                ],
            )
    except (DatabaseError, InterfaceError):
        connection.close()  # the next attempt begins with a new one
        raise


usage = Usage(write)
_started = threading.Lock()
_thread: threading.Thread | None = None


def count(user_id: int, endpoint: str, method: str, status: int, seconds: float) -> None:
    """Count one request of this process. The first starts the thread that writes."""
    if settings.API_METRICS_SECONDS <= 0:
        return
    usage.add(user_id, endpoint, method, status, seconds)
    if _thread is None:
        _start()


def _start() -> None:
    global _thread
    with _started:
        if _thread is None:
            _thread = threading.Thread(target=_run, name="api-metrics", daemon=True)
            _thread.start()
            atexit.register(usage.flush)


def _run() -> None:
    while True:
        time.sleep(settings.API_METRICS_SECONDS)
        try:
            usage.flush()
            if settings.DATABASE_POOL:
                connection.close()  # back to the pool
        except Exception:  # a fault of ours must not end the counting
            logger.exception("the usage of the API could not be stored")
