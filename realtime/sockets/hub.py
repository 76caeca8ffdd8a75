"""The hub, one in the event loop of each web process: it reads the streams that its sockets want.

Each state is encoded once and put into the mailbox of every socket that wants it (`fan_out`). Each socket's own task
sends from there; the hub never waits for a socket.
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence

from django.conf import settings
from redis.exceptions import RedisError

from realtime.sockets import gaps
from realtime.sockets.core.protocol import Close, Outgoing
from realtime.sockets.fan_out import READ_COUNT, FanOut
from realtime.sockets.heartbeats import Heartbeats
from realtime.sockets.hub_streams import Stream
from realtime.sockets.metrics import TOTALS
from realtime.sockets.pacing import Pacer
from realtime.sockets.register import Register
from realtime.sockets.session import Session
from realtime.sockets.topics import Feed
from realtime.sockets.writing import write_soon
from realtime.topic_streams import StreamReader
from signalsite.foundation.errors import LimitExceeded

logger = logging.getLogger(__name__)

BLOCK_MS = 100  # the longest that a new stream waits for a running read to end
FRESH_SECONDS = 0.25  # since the last read ended, for the newest states to count as those of Redis
STALL_SECONDS = 1.0  # without a read, after which streams may have been trimmed
LOOK_SECONDS = 2.0  # interval between checks of the streams for gaps
MAX_STREAMS = 2_000
LINGER_SECONDS = 10.0  # that a stream is still read after its last socket has left
RETRY_SECONDS = (0.1, 2.0)
STOP_SECONDS = 1.0


class TooManyStreams(LimitExceeded):
    """The sockets want more underlyings than one process reads."""


class Hub:
    def __init__(self, url: str) -> None:
        self.reader = StreamReader(url)
        self.sessions: set[Session] = set()
        self.streams: dict[str, Stream] = {}
        self.ended: dict[str, float] = {}  # user or sign-in -> when the control plane last ended its sockets
        self._opening: dict[str, asyncio.Task[Stream]] = {}
        self._some_stream = asyncio.Event()
        self._pacer = Pacer(write_soon)
        self._fan_out = FanOut(self.reader, self.streams, self._pacer)
        self._heartbeats = Heartbeats(self.sessions, self.end)
        self.register = Register()
        self._looked = self._heard = 0.0
        self._stopping = False
        # In empty contexts: the first socket makes the hub, and later lines must not have its request's id.
        self._reading = asyncio.create_task(self._read(), context=contextvars.Context())
        self._upkeep = asyncio.create_task(self._keep_up(), context=contextvars.Context())

    # --- sockets ----------------------------------------------------------------------------------------------------

    def join(self, session: Session) -> None:
        self.sessions.add(session)
        self._heartbeats.join(session)

    def leave(self, session: Session) -> None:
        for topic in list(session.subscriptions):
            self.detach(session, topic)
        self.sessions.discard(session)
        self.register.left(session)

    def end(self, session: Session, code: Close, reason: str) -> None:
        self.leave(session)
        session.close_soon(code, reason)

    def sessions_of(self, user_id: int) -> list[Session]:
        return [each for each in self.sessions if each.identity is not None and each.identity.user_id == user_id]

    @contextlib.asynccontextmanager
    async def reading(self, feed: Feed) -> AsyncIterator[Stream]:
        """Open the feed's stream if necessary, and keep reading it for the length of the body.

        Raises RedisError, OSError or TooManyStreams.
        """
        stream = self.streams.get(feed.stream)
        if stream is None:
            opening = self._opening.get(feed.stream)
            if opening is None:
                if len(self.streams) + len(self._opening) >= MAX_STREAMS:
                    raise TooManyStreams(f"this process reads {MAX_STREAMS} underlyings already")
                opening = self._opening[feed.stream] = asyncio.create_task(self._open(feed))
                opening.add_done_callback(lambda _: self._opening.pop(feed.stream, None))
            stream = await asyncio.shield(opening)
        stream.pins += 1
        try:
            yield stream
        finally:
            stream.pins -= 1

    def attach(self, session: Session, topic: str, feed: Feed, cadence: str, *, snapshot: bool = True) -> None:
        """Subscribe, in the body of `reading`. The newest states are sent first, as snapshots."""
        self.detach(session, topic)
        stream = self.streams[feed.stream]
        audience = stream.audience(topic, feed)
        topics = stream.matching(feed.prefix) if feed.wildcard else [stream.topic(topic.encode())]
        if cadence != "raw":
            self._pacer.publish_now(cadence, topics, audience)
        audience.add(session, cadence)
        session.subscriptions[topic] = (feed, cadence)
        self.register.changed(session)
        if snapshot:
            for each in topics:
                if each.frame is not None:
                    session.put_snapshot(each.frame)

    def detach(self, session: Session, topic: str) -> bool:
        """Unsubscribe. Return False if there was no such subscription."""
        feed, cadence = session.subscriptions.pop(topic, (None, ""))
        if feed is None:
            return False
        self.register.changed(session)
        stream = self.streams[feed.stream]
        stream.audience(topic, feed).remove(session, cadence)
        stream.release(topic, feed)
        return True

    def detach_all(self, session: Session, topics: Iterable[str]) -> None:
        for topic in topics:
            self.detach(session, topic)

    async def close_all(self, code: Close, reason: str, last_words: Sequence[Outgoing]) -> None:
        """Send every socket one of the last messages, in turn, and close it."""
        sessions = list(self.sessions)
        for session in sessions:
            self.leave(session)
        await asyncio.gather(
            *(session.close(code, reason, last_words[i % len(last_words)]) for i, session in enumerate(sessions))
        )

    async def stop(self) -> None:
        """Ask the reader to end after its read, and cancel it only then: redis.asyncio may swallow a cancellation."""
        self._stopping = True
        self._some_stream.set()
        self._upkeep.cancel()
        _, running = await asyncio.wait([self._reading, self._upkeep], timeout=STOP_SECONDS)
        if running:  # Redis does not answer
            self._reading.cancel()
            await asyncio.wait(running, timeout=STOP_SECONDS)
        await self.register.stop()
        await self.reader.close()

    # --- streams ----------------------------------------------------------------------------------------------------

    def hears(self, stream: Stream, now: float) -> bool:
        """Return whether the stream's newest states are those of Redis, but for what is on its way."""
        return now - self._heard < FRESH_SECONDS and not stream.behind

    async def _open(self, feed: Feed) -> Stream:
        stream = Stream(feed)
        await gaps.load(self.reader, stream)
        self.streams[feed.stream] = stream
        TOTALS.streams = len(self.streams)
        self._some_stream.set()
        return stream

    async def _read(self) -> None:
        """Read until `stop`. A failure is logged once and retried; then the streams are checked for gaps."""
        delay, failing, read_at = RETRY_SECONDS[0], False, time.monotonic()
        while not self._stopping:
            try:
                if not self._some_stream.is_set():
                    await self._some_stream.wait()
                    read_at = time.monotonic()
                behind = failing or time.monotonic() - read_at > STALL_SECONDS
                if behind or time.monotonic() - self._looked > LOOK_SECONDS:
                    self._looked = time.monotonic()
                    await gaps.check(self.reader, self.streams.values())
                if failing:
                    logger.warning("the hub reads its streams again")
                    delay, failing = RETRY_SECONDS[0], False
                positions = {name: stream.position for name, stream in self.streams.items()}
                read_at = time.monotonic()
                if positions:
                    found = await self.reader.read(positions, block_ms=BLOCK_MS, count=READ_COUNT)
                    await self._fan_out.publish(found, positions)
                    self._heard = time.monotonic()
            except (RedisError, OSError) as error:
                if not failing:
                    logger.error("the hub cannot read its streams, and tries again: %s", error)
                failing = True
            except Exception:  # a fault of ours in one entry must not silence ten thousand sockets
                logger.exception("the hub failed, and goes on")
                failing = True
            if failing:
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_SECONDS[1])

    # --- upkeep -----------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        """Send heartbeats, and drop streams that nobody wants."""
        while True:
            await asyncio.sleep(min(1.0, settings.WEBSOCKET_HEARTBEAT_INTERVAL / 2))
            try:
                self._heartbeats.send_due(time.monotonic())
                self.register.send_due(time.monotonic())
                self._drop_idle(time.monotonic())
            except Exception:  # a fault with one socket: the others still need heartbeats
                logger.exception("the hub's upkeep failed, and goes on")

    def _drop_idle(self, now: float) -> None:
        for name, stream in list(self.streams.items()):
            if stream.wanted:
                stream.idle_since = None
            elif stream.idle_since is None:
                stream.idle_since = now
            elif now - stream.idle_since > LINGER_SECONDS:
                del self.streams[name]
        TOTALS.streams = len(self.streams)
        if not self.streams:
            self._some_stream.clear()
