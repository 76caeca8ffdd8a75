"""One socket: its mailbox, and the task that empties it. Nobody ever waits for a socket but its own tasks."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from realtime.core import protocol
from realtime.core.frames import EntryId, Frame
from realtime.core.mailbox import Mailbox
from realtime.core.protocol import Close
from realtime.metrics import TOTALS

Send = Callable[[dict[str, Any]], Awaitable[None]]
MOST_REPLIES = 64  # that may wait before the next request is read
PATIENCE_SECONDS = 2.0  # with a reader that is slow to take our last words


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is connected, and until when (seconds since the epoch)."""

    user_id: int
    expires_at: float


class Session:
    __slots__ = (
        "_closer",
        "_counted",
        "_lag_ms",
        "_send",
        "_writer",
        "closed",
        "identity",
        "mailbox",
        "sent",
        "subscriptions",
    )

    def __init__(self, send: Send, identity: Identity, *, mailbox_limit: int) -> None:
        self.identity = identity
        self.mailbox = Mailbox(mailbox_limit)
        self.subscriptions: dict[str, Any] = {}  # the hub's
        self.sent = 0
        self.closed = False
        self._send = send
        self._writer: asyncio.Task[None] | None = None
        self._lag_ms: int | None = None
        self._closer: asyncio.Task[None] | None = None
        self._counted = (0, 0)

    def put(self, frame: Frame) -> None:
        self.mailbox.put(frame)
        if self._writer is None and not self.closed:
            self._writer = asyncio.create_task(self._write())

    def put_snapshot(self, frame: Frame) -> None:
        self.mailbox.put_snapshot(frame)
        self._wake()

    def reply(self, text: str) -> None:
        self.mailbox.reply(text)
        self._wake()

    def notify(self, subject: str, text: str) -> None:
        self.mailbox.notify(subject, text)
        self._wake()

    async def settled(self) -> None:
        """Wait until few replies wait: a client that asks without reading is not listened to meanwhile."""
        while self.mailbox.replies > MOST_REPLIES and self._writer is not None:
            await asyncio.wait([self._writer], timeout=0.05)

    def beat(self, now: float) -> None:
        self.count()
        box = self.mailbox
        self.notify(
            "heartbeat",
            protocol.heartbeat(
                at=int(now * 1000), sent=self.sent, conflated=box.conflated, dropped=box.dropped, lag_ms=self._lag_ms
            ),
        )
        self._lag_ms = None

    def count(self) -> None:
        """Add to the process' totals what has come since the last time."""
        conflated, dropped = self._counted
        TOTALS.conflated += self.mailbox.conflated - conflated
        TOTALS.dropped += self.mailbox.dropped - dropped
        self._counted = (self.mailbox.conflated, self.mailbox.dropped)

    async def close(self, code: Close, reason: str, last_words: str = "") -> None:
        """Say what is left to say, as far as the reader takes it, and close."""
        if self.closed:
            return
        with contextlib.suppress(TimeoutError, OSError):  # it is slow, or gone already
            async with asyncio.timeout(PATIENCE_SECONDS):
                if last_words:
                    self.reply(last_words)
                while self._writer is not None:
                    await asyncio.wait([self._writer])
                self.closed = True
                await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        self.end()

    def close_soon(self, code: Close, reason: str) -> None:
        self._closer = asyncio.create_task(self.close(code, reason))

    def end(self) -> None:
        """The socket is gone."""
        self.closed = True
        self.count()
        if self._writer is not None:
            self._writer.cancel()

    def _wake(self) -> None:
        if self._writer is None and not self.closed:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Send what waits, the newest state of each topic at the moment of sending; ends when nothing waits."""
        take, send = self.mailbox.take, self._send
        try:
            while (next_ := take()) is not None:
                text, frame = next_
                await send({"type": "websocket.send", "text": text})
                if frame is not None:
                    self.sent += 1
                    TOTALS.sent += 1
                    if frame.seq is not None:
                        lag = int(time.time() * 1000) - EntryId.of(frame.seq).milliseconds
                        if self._lag_ms is None or lag > self._lag_ms:
                            self._lag_ms = lag
        except OSError:  # the client has gone; its reader hears of it too
            self.closed = True
        finally:
            self._writer = None
