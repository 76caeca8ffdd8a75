"""One socket: its mailbox, and the task that empties it. Only a socket's own tasks wait for it."""

import asyncio
import contextlib
import random
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from realtime.sockets.core.frames import Frame
from realtime.sockets.core.mailbox import Mailbox
from realtime.sockets.core.protocol import Close, Heartbeat, Outgoing
from realtime.sockets.core.send_window import FIRST, SendWindow
from realtime.sockets.core.websocket_frames import unframed
from realtime.sockets.metrics import TOTALS
from realtime.sockets.uvicorn_socket import Send, uvicorn_socket

MOST_REPLIES = 64  # waiting replies beyond which no further request is read
KEEP_SECONDS = 0.5  # that states wait without being conflated, for a reader that was never slow
PATIENCE_SECONDS = 1.0  # with a slow reader at the end: for the remaining messages, and again for the close


@dataclass(frozen=True, slots=True)
class Identity:
    """The user of a token and the token's lifetime, in seconds since the epoch.

    `sign_in`: the sign-in that issued it, which ends at logout; empty if there was none.
    """

    user_id: int
    issued_at: float
    expires_at: float
    sign_in: str = ""


class Session:
    __slots__ = (
        "_acknowledges",
        "_closer",
        "_counted",
        "_direct",
        "_lag_ms",
        "_send",
        "_window",
        "_writer",
        "closed",
        "id",
        "identity",
        "label",
        "mailbox",
        "opened_at",
        "sent",
        "subscriptions",
    )

    def __init__(self, send: Send, *, mailbox_limit: int) -> None:
        self.identity: Identity | None = None  # None until authenticated
        self.id, self.opened_at = str(uuid.uuid4()), datetime.now(UTC)
        self.label = ""  # what the client calls itself
        self.mailbox = Mailbox(mailbox_limit)
        self.subscriptions: dict[str, Any] = {}  # topic -> (feed, cadence), kept by the hub
        self.sent = 0
        self.closed = False
        self._send, self._direct = send, uvicorn_socket(send, self._pong)
        self._window = SendWindow(time.monotonic(), phase=random.randrange(FIRST))
        self._acknowledges = False  # the page acknowledges messages itself
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
        """Send a state that no newer one may replace: the client is catching up."""
        self._count_sent(frame)
        self.mailbox.reply_framed(frame.update)
        self.write()

    def notify(self, subject: str, message: Outgoing) -> None:
        """Send a notice. It replaces an unsent one on the same subject."""
        self.mailbox.notify(subject, message.json())
        self.write()

    async def settled(self) -> None:
        """Wait until few replies wait, so that a client cannot keep asking without reading."""
        while self.mailbox.replies > MOST_REPLIES and self._writer is not None:
            await asyncio.wait([self._writer], timeout=0.05)

    def acknowledge(self, count: int) -> bool:
        """Note that the page has handled our first `count` messages. Return False if fewer were sent.

        From the first call on only acknowledgements count: a browser answers pings before its page has read anything.
        """
        if count > self._window.written:
            return False
        self._acknowledges = True
        self._window.acknowledge(count, time.monotonic())
        self._go_on()
        return True

    def forget_unwanted(self) -> None:
        """Drop waiting states of topics that no subscription wants any more."""
        prefixes = tuple(feed.prefix for feed, _ in self.subscriptions.values() if feed.wildcard)
        self.mailbox.retain(lambda topic: topic in self.subscriptions or topic.startswith(prefixes))

    def send_heartbeat(self, now: float) -> None:
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
        """Add what is new since the last call to the totals of the process."""
        conflated, dropped = self._counted
        TOTALS.conflated += self.mailbox.conflated - conflated
        TOTALS.dropped += self.mailbox.dropped - dropped
        self._counted = (self.mailbox.conflated, self.mailbox.dropped)

    async def close(self, code: Close, reason: str, last_words: Outgoing | None = None) -> None:
        """Send the remaining messages, as far as the reader accepts them, and close."""
        if self.closed:
            return
        if last_words is not None:
            self.reply(last_words)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._emptied()
        self.closed = True
        if self._writer is not None:
            self._writer.cancel()
        with contextlib.suppress(TimeoutError, OSError):  # the client does not read, or has gone
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        self.end()

    async def _emptied(self) -> None:
        while not self.closed and len(self.mailbox):
            if self._writer is not None:
                await asyncio.wait([self._writer])
            else:
                await asyncio.sleep(0.01)  # its window is closed

    def close_soon(self, code: Close, reason: str) -> None:
        self._closer = asyncio.create_task(self.close(code, reason))

    def end(self) -> None:
        """Release everything: the socket is gone."""
        self.closed = True
        self.count()
        if self._writer is not None:
            self._writer.cancel()
        if self._direct is not None:
            self._direct.release()
            self._direct = None

    def write(self) -> None:
        """Send what waits, as far as the socket accepts it. A task sends the rest later."""
        if self._writer is not None or self.closed:
            return
        while (message := self._next()) is not None:
            if self._direct is None or not self._direct.write(message):
                self._writer = asyncio.create_task(self._write_on(message))
                return
            self._wrote(message)

    async def _write_on(self, message: bytes | None) -> None:
        try:
            while message is not None:
                await self._send({"type": "websocket.send", "text": unframed(message)})
                self._wrote(message)
                message = self._next()
        except OSError:  # the client has gone; the task that reads it notices too
            self.closed = True
        finally:
            self._writer = None

    def _wrote(self, message: bytes) -> None:
        self._window.wrote(len(message))
        self._mark_if_due()

    def _mark_if_due(self) -> None:
        """Ask how far the client has read, if it can answer."""
        if (self._acknowledges or self._direct is not None) and self._window.mark_is_due(now := time.monotonic()):
            self._window.mark(now)
            if not self._acknowledges and self._direct is not None:
                self._direct.ping()

    def _pong(self) -> None:
        if not self._acknowledges:
            self._window.answered(time.monotonic())
            self._go_on()

    def _go_on(self) -> None:
        """The client has read more."""
        if self._window.is_slow(time.monotonic()):
            self.mailbox.conflate()
        self.write()
        self._mark_if_due()

    def _next(self) -> bytes | None:
        """Take the next message and count it as sent. A state is the newest of its topic at this moment."""
        now = time.monotonic()
        open_now = self._window.is_open(now) or not (self._acknowledges or self._direct is not None)
        taken = self.mailbox.take(states=open_now, since=now - KEEP_SECONDS)
        if taken is None:
            if self.mailbox.has_states:
                self._window.hold(now)
                self.mailbox.keeping = not self._window.is_slow(now)
            else:
                self._window.rest()
                self.mailbox.keeping = False
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
