"""Retry a call until PostgreSQL answers."""

import logging
from collections.abc import Callable, Iterable
from threading import Event
from typing import TypeVar

from django.db import connection

from realtime.ticks import metrics
from realtime.ticks.ownership import Ownership
from signalsite.foundation import heartbeat
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

BACKOFF = (0.1, 2.0)  # seconds, first and longest


class PostgresRetry:
    """Keeps the leases of the `owned` streams meanwhile. Once `stop` is set, the next failure is raised."""

    def __init__(self, ownership: Ownership, owned: Iterable[str], stop: Event) -> None:
        self.ownership = ownership
        self.owned = owned
        self.stop = stop

    def run(self, call: Callable[[], Result]) -> Result:
        delay = BACKOFF[0]
        while True:
            heartbeat.beat()  # a retry is a sign of life too
            try:
                return call()
            except UNAVAILABLE as error:
                metrics.errors.labels(type(error).__name__).inc()
                connection.close()
                if self.stop.is_set():
                    raise
                logger.error("PostgreSQL: %s; trying again in %.1f s", str(error).strip(), delay)
                self.ownership.renew(self.owned)
                self.stop.wait(delay)
                delay = min(delay * 2, BACKOFF[1])
