"""Run Django on threads, and send its answers from the event loop.

A thread gets a complete request and is free again once the answer is complete, so that slow clients occupy none.
"""

import asyncio
import contextvars
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

from a2wsgi.wsgi import build_environ

from signalsite.front import metrics
from signalsite.front.bodies import Body
from signalsite.front.refusals import Headers
from signalsite.front.temporary import temporary_file, write
from signalsite.front.turns import turn

Scope = dict[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_environ: Callable[..., Any] = build_environ  # its type hints name its own body class

ANSWER_IN_MEMORY_BYTES = 256 << 10  # a larger answer waits in a file
PART_BYTES = 64 << 10
PAGE_STALLED_SECONDS = 30.0  # for a client to take one part


class Pages:
    def __init__(
        self, django: Wsgi, *, threads: int, queue_seconds: float, stalled_seconds: float = PAGE_STALLED_SECONDS
    ) -> None:
        self._django, self._queue_seconds, self._stalled_seconds = django, queue_seconds, stalled_seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")
        self._free = asyncio.Semaphore(threads)

    async def ask(self, scope: Scope, body: Body) -> "Answer":
        """Return Django's answer. Raises Refused when no thread is free in time."""
        environ: dict[str, Any] = _environ(scope, body.file)
        environ["CONTENT_LENGTH"] = str(body.size)  # also for a chunked body
        environ["wsgi.file_wrapper"] = _File
        answer: Answer = await self.run(self._ask, environ)
        return answer

    async def hand_over(self, answer: "Answer", send: Send) -> None:
        try:
            await _hand_over(answer, send, self._stalled_seconds)
        except TimeoutError:
            metrics.STALLED.inc()  # the server closes a connection whose answer is incomplete
        finally:
            if not isinstance(answer.body, bytes):
                answer.body.close()

    async def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run `call` on one of Django's threads. Raises Refused when none is free in time."""
        async with turn(self._free, self._queue_seconds, "all threads are at work"):
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call, *arguments)

    def _ask(self, environ: dict[str, Any]) -> "Answer":
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started[:] = status, headers

        parts = self._django(environ, start_response)
        try:
            body = parts.own() if isinstance(parts, _File) else _collected(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        status, headers = started
        return Answer(int(status[:3]), [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers], body)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes | IO[bytes]


def _collected(parts: Iterable[bytes]) -> bytes | IO[bytes]:
    """Return the whole body; a large one as a file, at its beginning."""
    whole: list[bytes] = []
    size = 0
    file: IO[bytes] | None = None
    for part in parts:
        whole.append(part)
        size += len(part)
        if size > ANSWER_IN_MEMORY_BYTES:
            file = file or temporary_file()  # hand_over closes it
            write(file, b"".join(whole))
            whole.clear()
    if file is None:
        return whole[0] if len(whole) == 1 else b"".join(whole)
    file.seek(0)
    return file


class _File:
    """WSGI's file wrapper: threads neither read nor copy a file that is an answer, such as a static file."""

    def __init__(self, file: Any, block_size: int = PART_BYTES) -> None:
        self._file, self._block_size = file, block_size
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self._block_size), b"")

    def own(self) -> bytes | IO[bytes]:
        """Return the file by a handle that stays open when Django closes its own. Collect it when it has no handle."""
        try:
            return os.fdopen(os.dup(self._file.fileno()), "rb")
        except OSError:  # io.UnsupportedOperation is one
            return _collected(self)


async def _hand_over(answer: Answer, send: Send, stalled_seconds: float) -> None:
    """Send the answer. Raises TimeoutError when the client takes nothing for too long."""

    async with asyncio.timeout(stalled_seconds) as limit:
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if isinstance(answer.body, bytes):
            await send({"type": "http.response.body", "body": answer.body})
            return
        while part := answer.body.read(PART_BYTES):
            limit.reschedule(asyncio.get_running_loop().time() + stalled_seconds)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
