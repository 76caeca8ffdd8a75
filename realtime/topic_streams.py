"""Streams of topic states: each field of an entry is a topic, its value the JSON of the topic's newest state.

Everything that a socket shows is such an entry, and the entry's ID is its sequence number (docs/websocket.md). Two
hashes may accompany a stream, written with each entry in one MULTI: topic -> newest JSON, and topic -> its entry's ID.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from signalsite.foundation.redis import client

logger = logging.getLogger(__name__)

WRONG_SECONDS = 2.0  # interval between retries of a key that is not a stream
Entry = tuple[str, dict[bytes, bytes]]  # ID, state by topic

# For each stream: its first and last ID, and how many entries were ever added and are left; false if there is none.
_BOUNDS = """
local found = {}
for place, key in ipairs(KEYS) do
  found[place] = false
  if redis.call('TYPE', key).ok == 'stream' then
    local first, last, added, left = '', '', 0, 0
    local info = redis.call('XINFO', 'STREAM', key)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then last = info[i + 1] end
      if info[i] == 'first-entry' and info[i + 1] then first = info[i + 1][1] end
      if info[i] == 'entries-added' then added = info[i + 1] end
      if info[i] == 'length' then left = info[i + 1] end
    end
    found[place] = {first, last, added, left}
  end
end
return found
"""


def publish(stream: str, topics: Mapping[str, bytes], *, maxlen: int) -> str:
    """Append one entry and return its ID. The stream keeps about `maxlen` entries. Raises redis.RedisError."""
    fields = cast(Any, topics)
    return cast(bytes, client(settings.REDIS_URL).xadd(stream, fields, maxlen=maxlen, approximate=True)).decode()


@dataclass(frozen=True, slots=True)
class Bounds:
    first: str | None  # of the entries left; None if there are none
    last: str  # the newest ever
    added: int  # entries ever added
    removed: int  # how many of them are gone


@dataclass(frozen=True, slots=True)
class Tail:
    """A stream's end: continue after `position`. `states`: topic -> ID and JSON of its newest known state."""

    position: str
    states: dict[bytes, tuple[str, bytes]]


class StreamReader:
    """Reads streams in one event loop. Every method raises redis.RedisError or OSError."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = settings.STREAM_OPTIONS
        self._wrong: dict[str, float] = {}  # by key that is not a stream: when to retry it
        self._redis = redis.asyncio.Redis.from_url(url, **options, retry=Retry(NoBackoff(), 0))

    async def close(self) -> None:
        await self._redis.aclose()

    async def read(self, positions: Mapping[str, str], *, block_ms: int, count: int) -> list[tuple[str, list[Entry]]]:
        """Return entries after the given IDs, at most `count` a stream. Wait up to `block_ms` for the first."""
        now = time.monotonic()
        wanted = {name: each for name, each in positions.items() if self._wrong.get(name, 0.0) <= now}
        if not wanted:
            await asyncio.sleep(block_ms / 1000)
            return []
        try:
            found = await self._redis.xread(cast(Any, wanted), count=count, block=block_ms)
        except redis.ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            await self._leave_out(wanted, now)
            return []
        for name in self._wrong.keys() & wanted.keys():
            del self._wrong[name]
        return [(name.decode(), _entries(entries)) for name, entries in found or ()]

    async def _leave_out(self, streams: Iterable[str], now: float) -> None:
        """Leave out keys that are not streams: one command reads all, and one wrong key makes it fail."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in streams:
                pipe.type(name)
            types = await pipe.execute()
        for name, kind in zip(streams, types, strict=True):
            if kind in (b"stream", b"none"):
                continue
            if name not in self._wrong:
                logger.error("%s is a %s and no stream: delete it; nobody hears it until then", name, kind.decode())
            self._wrong[name] = now + WRONG_SECONDS

    async def between(self, stream: str, after: str, upto: str, *, count: int) -> tuple[Bounds | None, list[Entry]]:
        """Return entries after one ID up to another, at most `count`, and the stream's bounds at that moment."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.eval(_BOUNDS, 1, stream)
            pipe.xrange(stream, f"({after}", upto, count=count)
            (bounds,), entries = await pipe.execute()
        return _bounds(bounds), _entries(entries)

    async def bounds(self, streams: Sequence[str]) -> dict[str, Bounds | None]:
        """Return the bounds of each stream, None if it does not exist."""
        found = await cast(Awaitable[list[Any]], self._redis.eval(_BOUNDS, len(streams), *streams))
        return {stream: _bounds(each) for stream, each in zip(streams, found, strict=True)}

    async def tail(self, stream: str, hashes: tuple[str, str] | None, *, count: int) -> Tail:
        """Return the stream's end at one moment, from its last `count` entries and its hashes (states, IDs).

        A key of the wrong type counts as empty, so that it does not affect other topics.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xrevrange(stream, count=count)
            for name in hashes or ():
                pipe.hgetall(name)
            entries, *kept = (_unless_wrong(stream, each) for each in await pipe.execute(raise_on_error=False))
        states: dict[bytes, tuple[str, bytes]] = {}
        if kept:
            bodies, ids = kept
            states = {
                topic: (ids[topic].decode(errors="replace"), body) for topic, body in bodies.items() if topic in ids
            }
        newest = _entries(entries)
        for entry_id, fields in reversed(newest):
            states.update((topic, (entry_id, body)) for topic, body in fields.items())
        return Tail(newest[0][0] if newest else "0-0", states)

    async def take(self, key: str) -> bytes | None:
        """Read and delete a key, so that only the first reader gets it."""
        return cast(bytes | None, await self._redis.getdel(key))

    async def fields(self, key: str) -> list[bytes]:
        """Return the names of a hash's fields."""
        return await cast(Awaitable[list[bytes]], self._redis.hkeys(key))

    async def scores(self, key: str) -> dict[str, float]:
        """Return a whole sorted set."""
        found = cast(list[tuple[bytes, float]], await self._redis.zrange(key, 0, -1, withscores=True))
        return {member.decode(): score for member, score in found}


def _unless_wrong(stream: str, answer: Any) -> Any:
    """Return an answer, or nothing for a key of the wrong type. Raises any other error."""
    if not isinstance(answer, Exception):
        return answer
    if not str(answer).startswith("WRONGTYPE"):
        raise answer
    logger.error("the newest states of %s, or their hashes, cannot be read: %s", stream, answer)
    return {}


def _entries(entries: Collection[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    return [(entry_id.decode(), fields) for entry_id, fields in entries]


def _bounds(found: list[Any] | None) -> Bounds | None:
    if not found:
        return None
    first, last, added, left = found
    return Bounds(first.decode() or None, last.decode(), added, added - left)
