"""The lookup of S30: memory, Redis (`agg_data:`), `signal_custom_timeframes`, then stored bars and ticks, folded.

Every kept page is checked before it is served (`timeframes.bars.changes`). The newest ticks need no merge: the consumer
commits a tick to `ticks` before it publishes it to `raw_ticks:`, and the fold reads `ticks`.
"""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from threading import Lock

from django.conf import settings
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from signalsite.foundation.errors import InvalidInput, StorageTooSlow
from timeframes.bars import kept
from timeframes.bars.changes import Moment, current_moment, unchanged
from timeframes.bars.page_cache import RedisPages
from timeframes.bars.pages import BarsPage, asked_of, make_page, name_of
from timeframes.bars.requests import Asked, nothing_stored, read_asked
from timeframes.bars.serializers import BarsQuerySerializer
from timeframes.bars.stored import stored_of
from timeframes.bars.subscription_manager import fetch_missing
from timeframes.core.page_memory import PageMemory

logger = logging.getLogger(__name__)

COUNT_SECONDS, MOST_COUNTED = 10.0, 4096
OFTEN = 2  # requests, before a page is kept in Redis and the database
WARMED, WARM_SECONDS = 200, 20.0
_OVERHEAD = 1024  # bytes of a page besides its body

MEMORY: PageMemory[BarsPage] = PageMemory(settings.BARS_CACHE_BYTES)
REDIS = RedisPages()
ASKED = Metric("signal_service_bars_pages", "Pages of bars that were asked for, by where they were found.", ["source"])
OUT_OF_DATE = Metric("signal_service_bars_pages_out_of_date", "Kept pages that a change had overtaken.")
BYTES = Gauge("signal_service_bars_memory_bytes", "Bytes of pages of bars in this process's memory.")
BYTES.set_function(lambda: MEMORY.size)


class HistoryAway(StorageTooSlow):
    """Nothing is stored, and the Subscription Manager does not answer."""


class _Counts:
    """How often pages were asked for since the last flush. A name that was asked for once waits for its second time."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._flushed = time.monotonic()
        self._lock = Lock()

    def add(self, name: str) -> None:
        with self._lock:
            if name in self._counts or len(self._counts) < MOST_COUNTED:
                self._counts[name] += 1

    def due(self) -> bool:
        return bool(self._counts) and time.monotonic() - self._flushed > COUNT_SECONDS

    def take(self) -> dict[str, int]:
        with self._lock:
            self._flushed = time.monotonic()
            often = {name: count for name, count in self._counts.items() if count >= OFTEN}
            full = len(self._counts) >= MOST_COUNTED
            self._counts = Counter() if full else Counter({n: c for n, c in self._counts.items() if n not in often})
            return often


COUNTS = _Counts()


class _Stored:
    """What this process has stored in Redis and the database. It stores a page again when it has changed or half of its
    lifetime is over."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def has(self, name: str, page: BarsPage) -> bool:
        etag, at = self._pages.get(name, ("", 0.0))
        return etag == page.etag and time.monotonic() - at < settings.BARS_CACHE_SECONDS / 2

    def add(self, pages: Iterable[tuple[str, BarsPage]]) -> None:
        for name, page in pages:
            self._pages[name] = page.etag, time.monotonic()
            self._pages.move_to_end(name)
        while len(self._pages) > MOST_COUNTED:
            self._pages.popitem(last=False)

    def clear(self) -> None:
        self._pages.clear()


STORED = _Stored()


@lru_cache(maxsize=4096)
def read_query(instrument_key: str, parameters: tuple[tuple[str, str], ...]) -> tuple[str, Asked, int]:
    """Return the name, the request and the limit of a page. Raises InvalidInput and ValidationError."""
    query = BarsQuerySerializer(data=dict(parameters))
    query.is_valid(raise_exception=True)
    asked = read_asked(instrument_key, query.validated_data)
    limit: int = query.validated_data["limit"]
    return name_of(asked, limit), asked, limit


def look_up(name: str, asked: Asked, limit: int, now: datetime) -> BarsPage:
    """Return a page. Raises InvalidInput, NotFound and StorageTooSlow."""
    asked.check_range(now)
    COUNTS.add(name)
    for source, find in _LEVELS:
        page = find(name)
        if page is not None and (page := checked(name, page)) is not None:
            ASKED.labels(source).inc()
            return page
    ASKED.labels("made").inc()
    return make(name, asked, limit, now)


def checked(name: str, page: BarsPage) -> BarsPage | None:
    """Return the page as of now, None if it is out of date."""
    assert page.basis is not None
    return settle(name, page, unchanged([page.basis])[0])


def settle(name: str, page: BarsPage, moment: Moment | None) -> BarsPage | None:
    """Keep a checked page with the moment of its check, or drop it."""
    if moment is None:
        OUT_OF_DATE.inc()
        MEMORY.drop(name)
        return None
    page = page.as_of(moment)
    MEMORY.put(name, page, len(page.body) + _OVERHEAD)
    return page


def make(name: str, asked: Asked, limit: int, now: datetime) -> BarsPage:
    whole = fetch_missing(asked, limit, now)
    moment = current_moment()  # before the first read
    stored = stored_of(asked.key)
    if not stored and not whole:
        raise HistoryAway(f"nothing of {asked.key} is stored, and its history cannot be fetched now")
    if not stored:
        raise nothing_stored(asked.key)
    page = make_page(asked, stored, limit, now, moment if whole else None)
    if page.basis is not None:
        MEMORY.put(name, page, len(page.body) + _OVERHEAD)
    return page


def flush(now: datetime) -> None:
    """Store what was asked for often since the last time: the counts, and the pages in Redis and the database."""
    often = COUNTS.take()
    if not often:
        return
    kept.count_asked(often, now)
    pages = [(name, page) for name in often if (page := MEMORY.peek(name)) is not None and not STORED.has(name, page)]
    REDIS.put(pages)
    kept.keep(pages, now)
    STORED.add(pages)


def warm(now: Callable[[], datetime]) -> int:
    """Make what is asked for most often and out of date anew, in the database and in Redis, and return how many."""
    kept.trim(now())
    begun, warmed = time.monotonic(), 0
    for name in kept.stale_names(WARMED):
        if time.monotonic() - begun > WARM_SECONDS:
            break
        asked, limit = asked_of(name)
        at, moment = now(), current_moment()
        stored = stored_of(asked.key)
        if not stored:
            continue
        try:
            page = make_page(asked, stored, limit, at, moment)
        except (InvalidInput, StorageTooSlow) as error:
            logger.info("%s is not warmed: %s", name, error)
            continue
        if page.basis is not None:
            kept.keep([(name, page)], at)
            REDIS.put([(name, page)])
            warmed += 1
        else:
            kept.drop(name)
    return warmed


_LEVELS: tuple[tuple[str, Callable[[str], BarsPage | None]], ...] = (
    ("memory", MEMORY.get),
    ("redis", REDIS.get),
    ("database", kept.kept_page),
)
