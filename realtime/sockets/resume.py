"""Resume: send a client what it missed since the entry it saw last, as long as the stream still has it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from realtime.core.entry_ids import parse_id
from realtime.sockets.core.frames import Frame
from realtime.sockets.core.protocol import GapReason
from realtime.sockets.hub import Hub
from realtime.sockets.hub_streams import Stream
from realtime.sockets.session import Session
from realtime.sockets.topics import Feed

PAGE = 200  # entries
BEHIND_SECONDS = 2.0  # that this process may be behind the client


@dataclass(frozen=True, slots=True)
class Wanted:
    topic: str
    feed: Feed

    def takes(self, topic: str) -> bool:
        return topic.startswith(self.feed.prefix) if self.feed.wildcard else topic == self.topic


async def catch_up(
    hub: Hub, session: Session, stream: Stream, since: str, wanted: Sequence[Wanted]
) -> GapReason | None:
    """Send every state after `since` that the hub has published. Return None if nothing is missing.

    The first update of a topic has `since` as `prev`. Nothing is awaited between the last read and returning None, so a
    caller that subscribes at once misses nothing and gets nothing twice.
    """
    try:
        missing = await _coverage(hub, stream, since)
        cursor, sent = since, 0
        prevs: dict[str, str] = {}
        exact = {each.topic for each in wanted if not each.feed.wildcard}
        wildcards = [each for each in wanted if each.feed.wildcard]
        while missing is None and parse_id(cursor) < parse_id(stream.position):
            bounds, entries = await hub.reader.between(stream.name, cursor, stream.position, count=PAGE)
            if bounds is None or parse_id(bounds.last) < parse_id(cursor):
                return GapReason.RESET
            if bounds.first is None or parse_id(bounds.first) > parse_id(cursor):
                return GapReason.TRIMMED
            for entry_id, fields in entries:
                for name, data in fields.items():
                    topic = name.decode()
                    if topic in exact or any(each.takes(topic) for each in wildcards):
                        session.reply_state(Frame(topic, entry_id, prevs.get(topic, since), data))
                        prevs[topic] = entry_id
                        sent += 1
            if sent > settings.WEBSOCKET_RESUME_LIMIT:
                return GapReason.TOO_FAR
            if not entries:
                return GapReason.TRIMMED
            cursor = entries[-1][0]
            await session.settled()
            if session.closed:
                return None
        return missing
    except (RedisError, OSError):
        return GapReason.UNREADABLE


async def _coverage(hub: Hub, stream: Stream, since: str) -> GapReason | None:
    """Return why the stream does not cover what came after `since`, or None if it does."""
    bounds = (await hub.reader.bounds([stream.name]))[stream.name]
    seen = parse_id(since)
    if bounds is None or parse_id(bounds.last) < seen:
        return GapReason.RESET
    for _ in range(int(BEHIND_SECONDS / 0.01)):  # wait: the process that the client used before may be ahead
        if parse_id(stream.position) >= seen:
            break
        await asyncio.sleep(0.01)
    if parse_id(bounds.last) > seen and (bounds.first is None or parse_id(bounds.first) > seen):
        return GapReason.TRIMMED
    return None
