"""Detect gaps: a stream may be trimmed past the reader, emptied, or restored without its end.

A busy stream that was emptied goes on with IDs that follow those already read. It is recognized by its count of entries
ever added, or by having lost no entry although its first is newer than one read before.

After a gap, the sockets that want the stream get a `gap` message and the newest states again.
"""

import logging
from collections.abc import Iterable

from realtime.core.entry_ids import parse_id
from realtime.core.states import decode
from realtime.sockets.core.frames import BEGINNING, Frame
from realtime.sockets.core.protocol import Gap, GapReason
from realtime.sockets.hub_streams import Stream
from realtime.sockets.metrics import TOTALS
from realtime.sockets.session import Session
from realtime.topic_streams import Bounds, StreamReader

logger = logging.getLogger(__name__)

TAIL_COUNT = 500  # entries searched for newest states if no hash keeps them


async def load(reader: StreamReader, stream: Stream) -> None:
    """Go to the stream's end and load the newest states."""
    tail = await reader.tail(stream.name, stream.hashes, count=1 if stream.hashes else TAIL_COUNT)
    for topic in stream.topics.values():
        topic.frame = None
    stream.position = stream.anchor = tail.position
    stream.added = 0  # set at the next check
    for name, (entry_id, data) in tail.states.items():
        if readable(entry_id, data):
            topic = stream.topic(name)
            topic.frame = Frame(topic.name, entry_id, None, data)
        else:
            TOTALS.bad_states += 1
            logger.error("the newest state of %r in %s cannot be read, and is shown to nobody", name, stream.name)


def readable(entry_id: str, data: bytes) -> bool:
    """Return whether a stored state is JSON and its ID valid. It may come from another version."""
    try:
        parse_id(entry_id)
        decode(data)
    except ValueError:
        return False
    return True


def broken(stream: Stream, bounds: Bounds | None) -> GapReason | None:
    """Return why the next entries do not follow those read, or None if they do or nothing was read."""
    if stream.position == BEGINNING:
        return None
    position = parse_id(stream.position)
    if bounds is None or parse_id(bounds.last) < position or begun_anew(stream, bounds):
        return GapReason.RESET
    if bounds.first and parse_id(bounds.first) > position and parse_id(bounds.last) > position:
        return GapReason.TRIMMED
    return None


def begun_anew(stream: Stream, bounds: Bounds) -> bool:
    """Return whether the stream was emptied before the entries read last."""
    if bounds.added < stream.added:
        return True
    known = stream.anchor != BEGINNING and bounds.first is not None
    return known and bounds.removed == 0 and parse_id(bounds.first or "") > parse_id(stream.anchor)


async def check(reader: StreamReader, streams: Iterable[Stream]) -> bool:
    """Check the streams and load those with a gap again. Return whether there was none."""
    by_name = {stream.name: stream for stream in streams}
    whole = True
    for name, bounds in (await reader.bounds(list(by_name))).items() if by_name else ():
        stream = by_name[name]
        if (reason := broken(stream, bounds)) is not None:
            whole = False
            await _begin_anew(reader, stream, reason)
        elif bounds:
            stream.anchor, stream.added = stream.position, bounds.added
            if bounds.first:
                stream.forget_before(bounds.first)
    return whole


async def _begin_anew(reader: StreamReader, stream: Stream, reason: GapReason) -> None:
    logger.warning("stream %s: %s", stream.name, reason)
    TOTALS.gaps += 1
    # Entries after the emptying may have been published already: only those up to the anchor are certain.
    since = stream.anchor if reason is GapReason.RESET and stream.anchor != BEGINNING else stream.position
    await load(reader, stream)
    audiences = [*stream.wildcards.values(), *(topic.own for topic in stream.topics.values())]
    for session in {session for audience in audiences for session in audience.sessions()}:
        _publish_gap(session, stream, reason, since)


def _publish_gap(session: Session, stream: Stream, reason: GapReason, since: str) -> None:
    for name, (feed, _) in session.subscriptions.items():
        if feed.stream == stream.name:
            topics = stream.matching(feed.prefix) if feed.wildcard else [stream.topic(name.encode())]
            for topic in topics:
                session.mailbox.forget(topic.name)
            session.notify(f"gap {name}", Gap(name, reason, since))
            for topic in topics:
                if topic.frame is not None:
                    session.put_snapshot(topic.frame)
