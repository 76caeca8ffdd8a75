"""The limit on requests a minute of one caller, over all web processes (API_V2_RATE_LIMIT).

A process counts by itself, and about once a second adds what it counted to the counts in Redis and learns those of the
others. So a request waits for nothing; what a caller can gain is a second's requests in each process. Without Redis
each process limits by its own counts.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from redis.exceptions import RedisError

from signalsite.front.refusals import Refused

Exchange = Callable[[int, Mapping[str, int]], Mapping[str, int]]
"""(minute, counts to add) -> the counts of all processes for these names. Raises redis.RedisError."""
MINUTE = 60
SYNC_SECONDS = 1.0
MOST_CALLERS = 100_000  # of a minute: sessions are counted before they are looked up
logger = logging.getLogger(__name__)


class RateLimit:
    """Counts requests by the minute of the clock. `limit` 0: there is none."""

    def __init__(self, limit: int, exchange: Exchange, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._exchange, self._clock = exchange, clock
        self._minute = 0
        self._totals: dict[str, int] = {}
        self._unsent: dict[str, int] = {}
        self._syncing: asyncio.Task[None] | None = None

    def take(self, name: str) -> None:
        """Count a request of the caller. Raises Refused when there were too many in this minute."""
        now = self._clock()
        minute = int(now // MINUTE)
        if minute != self._minute:
            self._minute, self._totals, self._unsent = minute, {}, {}
        count = self._totals.get(name, 0) + 1
        if count > self.limit:
            raise Refused(
                429,
                f"over {self.limit} requests in a minute (API_V2_RATE_LIMIT)",
                Retry_After=str(max(MINUTE - int(now % MINUTE), 1)),
            )
        if count == 1 and len(self._totals) >= MOST_CALLERS:
            return
        self._totals[name] = count
        self._unsent[name] = self._unsent.get(name, 0) + 1
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.get_running_loop().create_task(self._sync())

    async def _sync(self) -> None:
        """Exchange counts until there is nothing to send."""
        while self._unsent:
            await asyncio.sleep(SYNC_SECONDS)
            minute, sent, self._unsent = self._minute, self._unsent, {}
            if not sent:
                continue
            try:
                totals = await asyncio.get_running_loop().run_in_executor(None, self._exchange, minute, sent)
            except RedisError as error:  # the counts of this process go on
                logger.warning("counts of requests were not exchanged: %s", error)
                continue
            if minute == self._minute:
                for name, total in totals.items():
                    self._totals[name] = total + self._unsent.get(name, 0)
