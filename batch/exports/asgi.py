"""Exports are served on the event loop: a reader that is slow, stalled or gone holds no thread."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from batch.exports.slots import Slots

Scope = dict[str, Any]
Message = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SLOT = "batch.export_slot"  # where the view finds its slot in the scope
STALLED_SECONDS = 60.0  # without taking 64 KB
LONGEST_SECONDS = 3600.0
_PATH = re.compile(r"/api/v2/(?:signals/)?batch/jobs/[0-9a-f-]{36}/(?:export|errors)")

logger = logging.getLogger(__name__)


def is_export(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and _PATH.fullmatch(scope["path"]) is not None


class ReaderStalled(Exception):
    pass


class Exports:
    """Wraps Django's ASGI handler: a slot for each request, a limit on how long a part may wait for its reader."""

    def __init__(
        self, django: Application, *, stalled: float = STALLED_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._django, self._stalled, self._longest = django, stalled, longest
        self._slots = Slots()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.monotonic()

        async def send_in_time(message: Message) -> None:
            left = begun + self._longest - time.monotonic()
            try:
                async with asyncio.timeout(min(self._stalled, left)):
                    await send(message)
            except TimeoutError as error:
                raise ReaderStalled from error

        with self._slots.request() as slot:
            try:
                await self._django({**scope, SLOT: slot}, _without_body(receive), send_in_time)
            except ReaderStalled:  # the server closes the connection, as the answer is not complete
                logger.warning(
                    "export dropped: its reader stalled",
                    extra={"path": scope["path"], "seconds": round(time.monotonic() - begun, 1)},
                )


def _without_body(receive: Receive) -> Receive:
    """Django would keep a request's body, on disk if need be; an export's has no meaning and is let go."""
    told = False

    async def receive_end() -> Message:
        nonlocal told
        if not told:
            told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return receive_end
