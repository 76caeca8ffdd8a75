"""Serve exports on the event loop, so that a slow, stalled or vanished reader holds no thread."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.db import DatabaseError
from prometheus_client import Counter

from batch.exports.slots import Slots
from signalsite.foundation.errors import DataAccessError

Scope = dict[str, Any]
Message = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SLOT = "batch.export_slot"  # the key of the slot in the scope
EXPORT_STALLED_SECONDS = 60.0  # without reading 64 KB
LONGEST_SECONDS = 3600.0
_PATH = re.compile(
    r"/api/v2/(?:signals/)?(?:batch/jobs/[0-9a-f-]{36}/(?:export|errors)|configs/[0-9a-f-]{36}/results/export"
    r"|historical/(?:bars|greeks|indicators|moneyness)/.+/export)"
)

BROKEN_OFF = Counter("batch_exports_broken_off", "Exports that ended before their last row.", ["why"])
logger = logging.getLogger(__name__)


def is_export(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and _PATH.fullmatch(scope["path"]) is not None


class ReaderStalled(Exception):
    """The reader took too long for one part."""


class Exports:
    """Wrap Django's ASGI handler: give each request a slot, and limit how long a part may wait for its reader."""

    def __init__(
        self, django: Application, *, stalled: float = EXPORT_STALLED_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._django, self._stalled, self._longest = django, stalled, longest
        self._slots = Slots()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.monotonic()

        async def send_in_time(message: Message) -> None:
            limit = min(self._stalled, begun + self._longest - time.monotonic())
            try:
                async with asyncio.timeout(limit):
                    await send(message)
            except TimeoutError as error:
                raise ReaderStalled(f"no 64 KB taken in {limit:.0f} s") from error

        with self._slots.request() as slot:
            try:
                await self._django({**scope, SLOT: slot}, _without_body(receive), send_in_time)
            except (ReaderStalled, DataAccessError, DatabaseError) as error:
                # Too late for a status: the response stays incomplete, and the server closes the connection.
                BROKEN_OFF.labels(type(error).__name__).inc()
                seconds = round(time.monotonic() - begun, 1)
                logger.warning("export broken off: %r", error, extra={"path": scope["path"], "seconds": seconds})


def _without_body(receive: Receive) -> Receive:
    """Drop the request's body. Django would store it, although it means nothing to an export."""
    ended = False

    async def receive_end() -> Message:
        nonlocal ended
        if not ended:
            ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return receive_end
