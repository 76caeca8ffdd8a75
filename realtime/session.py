"""One socket: its mailbox, and the task that empties it. Nobody ever waits for a socket but its own tasks."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from realtime.core.frames import Frame
from realtime.core.mailbox import Mailbox
from realtime.core.protocol import Close, Heartbeat, Outgoing
from realtime.core.wire import unframed
from realtime.metrics import TOTALS
from realtime.wire import Send, frame_writer

MOST_REPLIES = 64  # that may wait before the next request is read
PATIENCE_SECONDS = 2.0  # with a reader that is slow to take our last words


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token stands for, from when and until when (seconds since the epoch).

    `sign_in`: the sign-in that it comes from, which ends at logout; empty where there was none.
    """

    user_id: int
    issued_at: float
    expires_at: float
    sign_in: str = ""


class Session:
    __slots__ = (
        "_closer",
        "_counted",
        "_lag_ms",
        "_send",
        "_write_frame",
        "_writer",
        "closed",
        "identity",
        "mailbox",
        "sent",
        "subscriptions",
    )

    def __init__(self, send: Send, *, mailbox_limit: int) -> None:
        self.identity: Identity | None = None  # until it is known
        self.mailbox = Mailbox(mailbox_limit)
        self.subscriptions: dict[str, Any] = {}  # the hub's
        self.sent = 0
        self.closed = False
        self._send, self._write_frame = send, frame_writer(send)
        self._writer: asyncio.Task[None] | None = None
        self._lag_ms: int | None = None
        self._closer: asyncio.Task[None] | None = None
        self._counted = (0, 0)

    def put_snapshot(self, frame: Frame) -> None:
        self.mailbox.put_snapshot(frame)
        self.write()

    def reply(self, message: Outgoing) -> None:
        self.mailbox.reply(message.json())
        self.write()

    def reply_state(self, frame: Frame) -> None:
        """A state that no newer one may replace: it belongs to what a client catches up with."""
        self._count_sent(frame)
        self.mailbox.reply_framed(frame.update)
        self.write()

    def notify(self, subject: str, message: Outgoing) -> None:
        """Tell of something; where one on the same subject still waits, it goes."""
        self.mailbox.notify(subject, message.json())
        self.write()

    async def settled(self) -> None:
        """Wait until few replies wait: a client that asks without reading is not listened to meanwhile."""
        while self.mailbox.replies > MOST_REPLIES and self._writer is not None:
            await asyncio.wait([self._writer], timeout=0.05)

    def beat(self, now: float) -> None:
        self.count()
        box = self.mailbox
        self.notify(
            "heartbeat",
            Heartbeat(
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

    async def close(self, code: Close, reason: str, last_words: Outgoing | None = None) -> None:
        """Say what is left to say, as far as the reader takes it, and close."""
        if self.closed:
            return
        with contextlib.suppress(TimeoutError, OSError):  # it is slow, or gone already
            async with asyncio.timeout(PATIENCE_SECONDS):
                if last_words is not None:
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

    def write(self) -> None:
        """Send what waits, as far as the socket takes it; a task does the rest when it takes more again."""
        if self._writer is not None or self.closed:
            return
        while (message := self._next()) is not None:
            if self._write_frame is None or not self._write_frame(message):
                self._writer = asyncio.create_task(self._write_on(message))
                return

    async def _write_on(self, message: bytes | None) -> None:
        try:
            while message is not None:
                await self._send({"type": "websocket.send", "text": unframed(message)})
                message = self._next()
        except OSError:  # the client has gone; its reader hears of it too
            self.closed = True
        finally:
            self._writer = None

    def _next(self) -> bytes | None:
        """The next message, counted as sent: the newest state of its topic at this moment."""
        taken = self.mailbox.take()
        if taken is None:
            return None
        message, frame = taken
        if frame is not None:
            self._count_sent(frame)
        return message

    def _count_sent(self, frame: Frame) -> None:
        self.sent += 1
        TOTALS.sent += 1
        if frame.milliseconds:
            lag = int(time.time() * 1000) - frame.milliseconds
            if self._lag_ms is None or lag > self._lag_ms:
                self._lag_ms = lag
