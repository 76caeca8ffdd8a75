"""Live reads from the hub's memory: the hub also reads the streams of underlyings that many requests ask for.

A request that waits for Redis waits for two other processes to get a CPU. Reading a stream costs a process as much as a
request costs for every few ticks, so only what many requests ask for is followed.
"""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from redis.exceptions import RedisError

from realtime.core.names import Names
from realtime.sockets.hub import Hub, TooManyStreams
from realtime.sockets.hub_streams import Stream
from realtime.sockets.metrics import TOTALS
from realtime.sockets.topics import Feed

logger = logging.getLogger(__name__)

FOLLOW_READS = 100  # of a stream in a second: from here on following it costs less
MOST_FOLLOWED = 64  # streams at once: sockets need the hub's others, and more cannot have many readers each
LOOK_SECONDS = 1.0  # between two looks at the names of the topics: one that was removed is still shown for so long
LINGER_LOOKS = 10  # with fewer reads, before the stream is left
STALE_SECONDS = 2.5  # after a look at the names, in which the next one should have come
RETRY_SECONDS = 10.0  # after a stream could not be followed
OUTPUTS = (Names.output, Names.chains_output)


class _Followed:
    """A stream, the names of its topics in Redis' order, and when they were looked at."""

    __slots__ = ("known", "looked", "names", "reads", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.names: list[bytes] = []
        self.known: frozenset[bytes] = frozenset()  # the same
        self.looked = 0.0
        self.reads = 0  # since the last look

    def values(self, topics: Sequence[str], *, ids: bool) -> list[bytes | None] | None:
        """Return each topic's newest state, or its entry's ID; None for all if a state is only in Redis."""
        found: list[bytes | None] = []
        for name in map(str.encode, topics):
            topic = self.stream.topics.get(name)
            frame = topic.frame if topic is not None else None
            if frame is not None and frame.data is not None and frame.seq is not None:
                found.append(frame.seq.encode() if ids else frame.data)
            elif name in self.known:
                return None
            else:
                found.append(None)
        return found


class FollowedStates:
    """One for each event loop. `hub` returns its hub."""

    def __init__(self, hub: Callable[[], Hub]) -> None:
        self._hub = hub
        self._followed: dict[str, _Followed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, int] = {}  # reads of other streams, in the second that `_since` began
        self._since = 0.0

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for each in tasks:
            each.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def replies(self, wanted: Sequence[tuple[str, tuple[str, ...] | None]]) -> list[Any] | None:
        """Return what Redis would reply: the fields of each hash, or the names of all its fields for None.

        Return None where Redis must be asked: for a state that the hub could not read, and while it may be behind.
        """
        now = time.monotonic()
        found: list[Any] = []
        for name, fields in wanted:
            place = _place(name)
            if place is None:
                return None
            feed, ids = place
            followed = self._followed.get(feed.stream)
            if followed is None:
                self._count(feed, now)
                return None
            followed.reads += 1
            if now - followed.looked > STALE_SECONDS or not self._hub().hears(followed.stream, now):
                return None
            if fields is None:
                found.append(followed.names)
                continue
            values = followed.values(fields, ids=ids)
            if values is None:
                return None
            found.append(values)
        TOTALS.remembered += 1
        return found

    def _count(self, feed: Feed, now: float) -> None:
        if now - self._since > 1.0:
            self._asked.clear()
            self._since = now
        asked = self._asked[feed.stream] = self._asked.get(feed.stream, 0) + 1
        if asked >= FOLLOW_READS and feed.stream not in self._tasks and len(self._tasks) < MOST_FOLLOWED:
            following = self._follow(feed)
            self._tasks[feed.stream] = asyncio.create_task(following, context=contextvars.Context())  # not a request's

    async def _follow(self, feed: Feed) -> None:
        """Keep the hub reading the stream while many requests ask for it."""
        try:
            async with self._hub().reading(feed) as stream:
                await self._look_on(feed, _Followed(stream))
        except (RedisError, OSError, TooManyStreams) as error:
            logger.warning("live reads of %s ask Redis each time: %s", feed.stream, error)
            await asyncio.sleep(RETRY_SECONDS)
        except Exception:  # a fault of ours here must cost no reader more than the way over Redis
            logger.exception("live reads of %s ask Redis each time", feed.stream)
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            del self._tasks[feed.stream]

    async def _look_on(self, feed: Feed, followed: _Followed) -> None:
        hub, quiet = self._hub(), 0
        latest, _ = feed.hashes or ("", "")
        try:
            while quiet < LINGER_LOOKS:
                before = followed.stream.states()
                followed.names = await hub.reader.fields(latest)
                followed.known = frozenset(followed.names)
                followed.stream.forget({name: each for name, each in before.items() if name not in followed.known})
                followed.looked = time.monotonic()
                self._followed[feed.stream] = followed
                TOTALS.followed = len(self._followed)
                await asyncio.sleep(LOOK_SECONDS)
                quiet = quiet + 1 if followed.reads < FOLLOW_READS * LOOK_SECONDS else 0
                followed.reads = 0
        finally:
            self._followed.pop(feed.stream, None)
            TOTALS.followed = len(self._followed)


@lru_cache(maxsize=8192)
def _place(name: str) -> tuple[Feed, bool] | None:
    """Return the feed whose newest states the hash keeps, or, with True, whose entries' IDs."""
    for output in OUTPUTS:
        stream, latest, ids = output(Names(), name.partition(":")[2])
        if name in (latest, ids):
            return Feed(stream, (latest, ids)), name == ids
    return None
