"""The Subscription Manager's `GET /historical_data` (S25): asked for the days of a page that are not stored.

Its rows are stored as bars with the source `subscription_manager`, then the page is made of them as of any others. One
process asks for an instrument at a time; the others wait for it. A failure costs a page nothing but the missing rows,
and that page is not kept. Nothing here runs on an event loop of the service.
"""

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from prometheus_client import Counter
from redis.exceptions import RedisError

from signalsite.foundation.errors import SubscriptionManagerAPIError
from signalsite.foundation.outside_service import LeftAlone, OutsideService, ServiceFailed
from signalsite.foundation.redis import client
from timeframes.bars.missing_days import Day, missing_days
from timeframes.bars.requests import Asked
from timeframes.bars.services import record_bars
from timeframes.core.grid import instant
from timeframes.core.history_rows import HistoryRows, NotAnAnswer, read_history
from timeframes.core.timeframe import DAY, format_timeframe

logger = logging.getLogger(__name__)

SOURCE = "subscription_manager"
DAYS_AT_ONCE = 31
MOST_BYTES = 32 << 20
POLL_SECONDS = 0.05
FETCHES = Counter("signal_service_history_fetches", "Requests to the Subscription Manager, by outcome.", ["outcome"])
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"

_places = threading.BoundedSemaphore(max(settings.WEB_THREADS // 3, 1))  # threads that ask or wait, of this process


service = OutsideService(MOST_BYTES)
breaker = service.breaker


def fetch_missing(asked: Asked, limit: int, now: datetime) -> bool:
    """Fetch and store what is missing of a page. Return whether it is whole, as far as can be known.

    Waits SUBSCRIPTION_MANAGER_SECONDS at most.
    """
    seconds = _interval(asked)
    if not settings.SUBSCRIPTION_MANAGER_URL or seconds is None:
        return True
    if not _places.acquire(blocking=False):
        return False
    try:
        return _fetch_missing(asked, seconds, limit, now)
    except (RedisError, OSError) as error:  # without it there is no lock: many would ask at once
        logger.warning("history is not fetched while Redis is away: %s", error)
    except LeftAlone:
        pass  # counted; the failures before it are logged
    except SubscriptionManagerAPIError as error:
        logger.warning("the Subscription Manager failed: %s", error)
    finally:
        _places.release()
    return False


def _interval(asked: Asked) -> int | None:
    """Return the seconds of the bars to ask for: days for bars of days, minutes for others; None where none fit."""
    if not isinstance(asked.timeframe, int) or asked.timeframe % DAY == 0:
        return DAY
    return 60 if asked.timeframe % 60 == 0 else None


def _fetch_missing(asked: Asked, seconds: int, limit: int, now: datetime) -> bool:
    if not _unasked(asked, seconds, missing_days(asked, limit, now)):
        return True
    # From here on: a new process takes a second or two for its first calendar.
    deadline = time.monotonic() + settings.SUBSCRIPTION_MANAGER_SECONDS
    lock, token = f"history_lock:{asked.key}:{seconds}", secrets.token_hex(8)
    cache = client(settings.CACHE_URL)
    longest = round(1000 * (settings.SUBSCRIPTION_MANAGER_SECONDS + 1))
    while not cache.set(lock, token, nx=True, px=longest):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    try:
        # Whoever had the lock before may have fetched them.
        days = _unasked(asked, seconds, missing_days(asked, limit, now))
        for begin in range(0, len(days), DAYS_AT_ONCE):
            _fetch_days(asked, seconds, days[begin : begin + DAYS_AT_ONCE], deadline)
    finally:
        cache.eval(_GIVE_BACK, 1, lock, token)
    return True


def _unasked(asked: Asked, seconds: int, days: Sequence[Day]) -> list[Day]:
    """Return the days without those that the Subscription Manager had nothing of a short time ago."""
    if not days:
        return []
    known: Any = client(settings.CACHE_URL).mget([_lacking(asked, seconds, day) for day in days])
    return [day for day, lacking in zip(days, known, strict=True) if lacking is None]


def _lacking(asked: Asked, seconds: int, day: Day) -> str:
    return f"history_lacking:{asked.key}:{seconds}:{day[0].isoformat()}"


def _fetch_days(asked: Asked, seconds: int, days: Sequence[Day], deadline: float) -> None:
    found = _ask(asked, seconds, days, deadline)
    if found.rejected:
        logger.warning("rows of %s from the Subscription Manager are not used: %s", asked.key, dict(found.rejected))
    if len(found.bars):
        record_bars(asked.key, seconds, found.bars, source=SOURCE)
    times = found.bars.time
    with client(settings.CACHE_URL).pipeline(transaction=False) as pipeline:
        for day in days:
            if not ((times >= day[1]) & (times < day[2])).any():
                pipeline.set(_lacking(asked, seconds, day), "1", ex=settings.SUBSCRIPTION_MANAGER_MISSING_SECONDS)
        pipeline.execute()


def _ask(asked: Asked, seconds: int, days: Sequence[Day], deadline: float) -> HistoryRows:
    """Raises SubscriptionManagerAPIError and LeftAlone."""
    begin, end = instant(days[0][1]), instant(days[-1][2])
    parameters = {
        "instrument_key": asked.key,
        "start_time": begin.isoformat(),
        "end_time": end.isoformat(),
        "interval": format_timeframe(seconds),
    }
    try:
        found = service.ask(
            f"{settings.SUBSCRIPTION_MANAGER_URL}/historical_data",
            parameters,
            lambda body: read_history(b"[]" if body is None else body, asked.exchange, seconds, begin, end),
            deadline=deadline,
            token=settings.SUBSCRIPTION_MANAGER_TOKEN,
        )
    except LeftAlone:
        FETCHES.labels("breaker_open").inc()
        raise
    except (ServiceFailed, NotAnAnswer) as error:
        FETCHES.labels("failed").inc()
        raise SubscriptionManagerAPIError(str(error)) from error
    FETCHES.labels("rows" if len(found.bars) else "nothing").inc()
    return found
