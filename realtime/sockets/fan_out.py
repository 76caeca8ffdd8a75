"""Put each new state into the mailbox of every socket that wants it, encoded once."""

import logging
import time

from realtime.core.bar_states import closes_bar
from realtime.core.entry_ids import parse_id
from realtime.core.indicator_states import closes_indicators
from realtime.sockets import gaps
from realtime.sockets.core.frames import BEGINNING, Frame
from realtime.sockets.hub_streams import Stream
from realtime.sockets.metrics import STAGES
from realtime.sockets.pacing import Pacer
from realtime.sockets.session import Session
from realtime.sockets.writing import write
from realtime.topic_streams import Entry, StreamReader

logger = logging.getLogger(__name__)

READ_COUNT = 500  # entries of a stream at once
LET_SEND_SECONDS = 0.025  # of each read: later entries are not sent one by one, so they conflate


class FanOut:
    """`streams`: those that the hub reads."""

    def __init__(self, reader: StreamReader, streams: dict[str, Stream], pacer: Pacer) -> None:
        self._reader = reader
        self._streams = streams
        self._pacer = pacer

    async def publish(self, found: list[tuple[str, list[Entry]]], read_after: dict[str, str]) -> None:
        """Publish entries read after these positions.

        Every state of the first entries is sent. Once that takes too long, the others conflate in the mailboxes.
        """
        begun = time.monotonic()
        waiting: set[Session] = set()
        for name, entries in found:
            stream = self._streams.get(name)
            if stream is None or stream.position != read_after[name]:
                continue  # dropped while it was read, and perhaps opened again
            stream.behind = len(entries) == READ_COUNT
            if stream.behind and not await gaps.check(self._reader, [stream]):
                continue  # so far behind that the stream was trimmed past us
            for entry_id, fields in entries:
                stream.position = entry_id
                if stream.anchor == BEGINNING:
                    stream.anchor = entry_id
                receivers = 0
                try:
                    for topic, data in fields.items():
                        receivers += self._put(stream, topic, entry_id, data, waiting)
                except Exception:  # skip the entry: reading it for ever would stop all streams
                    logger.exception("entry %s of %s cannot be published", entry_id, name)
                STAGES.observe(max(time.time() - parse_id(entry_id)[0] / 1000, 0.0), receivers, "hearing")
                if time.monotonic() - begun < LET_SEND_SECONDS:
                    await self._send_to(waiting, begun)
        await self._send_to(waiting, begun)

    def _put(self, stream: Stream, name: bytes, entry_id: str, data: bytes, waiting: set[Session]) -> int:
        """Return how many sockets get the state at once. The others are paced, but for a final state."""
        topic = stream.topic(name)
        before = topic.frame
        seq = before.seq if before else None
        final = closes_bar(name, data) or closes_indicators(name, data)
        frame = topic.frame = Frame(topic.name, entry_id, seq, data, read_at=time.monotonic(), final=final)
        for audience in topic.audiences:
            for session in audience.raw:
                session.mailbox.put(frame)
            waiting |= audience.raw
            if audience.paced:
                self._pacer.note(topic, audience)
                for cadence in list(audience.paced) if final else ():
                    self._pacer.publish_now(cadence, [topic], audience)
        return sum(len(audience.raw) for audience in topic.audiences)

    async def _send_to(self, waiting: set[Session], read_at: float) -> None:
        await write(waiting)
        STAGES.observe(time.monotonic() - read_at, len(waiting), "sending")
        waiting.clear()
