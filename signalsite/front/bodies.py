"""Receive request bodies on the event loop: within a time, within a size, and large ones not in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

from signalsite.foundation.errors import SignalServiceError
from signalsite.front.refusals import body_too_large, busy, too_many_of_yours, too_slow
from signalsite.front.temporary import temporary_file, write
from signalsite.front.turns import turn

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

LARGE_BYTES = 1 << 20  # a larger body goes to a file, and takes one of the places
PLACES_PER_CALLER = 4
HANDLED_AT_ONCE = 2  # handling a large body reads or unpacks it into memory


class Disconnected(SignalServiceError):
    """The client disconnected before its body was complete."""


@dataclass(frozen=True, slots=True)
class Body:
    file: IO[bytes]  # at its beginning
    size: int  # bytes


def nothing() -> Body:
    return Body(BytesIO(), 0)


class Bodies:
    """Receives the bodies of this process.

    A client has `seconds` for a body, plus one second for each `rate` bytes that have arrived. At most `places` large
    bodies arrive at once. A complete large body waits up to `queue_seconds` to be handled."""

    def __init__(self, *, seconds: float, rate: int, places: int, queue_seconds: float) -> None:
        self._seconds, self._rate, self._queue_seconds = seconds, rate, queue_seconds
        self._places = places
        self._taken: Counter[str] = Counter()
        self._handling = asyncio.Semaphore(HANDLED_AT_ONCE)

    @asynccontextmanager
    async def receive(
        self, receive: Receive, announced: int, limit: int, caller: str, *, packed: bool = False
    ) -> AsyncIterator[Body]:
        """Receive one body. Raises Refused or Disconnected.

        `announced` is the Content-Length, or 0 without one. `caller` names whose share of the places it takes. A
        `packed` body counts as large, since it may be large once it is unpacked."""
        if announced > limit:
            raise body_too_large(limit)
        parts = _Parts(receive, limit, self._seconds, self._rate)
        if announced <= LARGE_BYTES:
            await parts.read(LARGE_BYTES)
            if parts.complete and not packed:
                yield Body(BytesIO(parts.take()), parts.size)
                return
        with self._place(caller), temporary_file() as file:
            await asyncio.to_thread(write, file, parts.take())
            while not parts.complete:
                await parts.read(parts.size + LARGE_BYTES)
                await asyncio.to_thread(write, file, parts.take())
            file.seek(0)
            async with turn(self._handling, self._queue_seconds, "other large bodies are being handled"):
                yield Body(file, parts.size)

    @contextmanager
    def _place(self, caller: str) -> Iterator[None]:
        if self._taken[caller] >= PLACES_PER_CALLER:
            raise too_many_of_yours(f"{PLACES_PER_CALLER} large or packed bodies of yours are on their way already")
        if self._taken.total() >= self._places:
            raise busy(f"{self._places} large or packed bodies are on their way already")
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken -= Counter({caller: 1})  # callers with none left are dropped


class _Parts:
    """The parts of a body that is arriving."""

    def __init__(self, receive: Receive, limit: int, seconds: float, rate: int) -> None:
        self._receive, self._limit, self._seconds, self._rate = receive, limit, seconds, rate
        self._begun = asyncio.get_running_loop().time()
        self._parts: list[bytes] = []
        self.size = 0
        self.complete = False

    async def read(self, most: int) -> None:
        """Read until more than `most` bytes have arrived in all, or the body is complete."""
        while not self.complete and self.size <= most:
            try:
                async with asyncio.timeout_at(self._begun + self._seconds + self.size / self._rate):
                    message = await self._receive()
            except TimeoutError as error:
                raise too_slow(f"{self.size} bytes of the body have come in {self._seconds:g} s or more") from error
            if message["type"] == "http.disconnect":
                raise Disconnected
            part: bytes = message.get("body", b"")
            self.size += len(part)
            if self.size > self._limit:
                raise body_too_large(self._limit)
            self._parts.append(part)
            self.complete = not message.get("more_body", False)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken
