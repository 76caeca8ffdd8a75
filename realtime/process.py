"""The life of a web process: its setup at the start, and closing its sockets before the end."""

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from django.conf import settings

from realtime.snapshot import newest
from realtime.sockets import shared_hub

logger = logging.getLogger(__name__)

ENDINGS = (signal.SIGTERM, signal.SIGINT)
SPARE_FILES = 1024  # beside the connections: large bodies and responses, the database, Redis


class Lifespan:
    """ASGI's lifespan. At SIGTERM or SIGINT the sockets are closed before the server's own handler is called.

    The server would close them with 1012 and without a hint, before the application learns of the shutdown.
    """

    def __init__(self) -> None:
        self._servers: dict[int, Any] = {}
        self._ending: asyncio.Task[None] | None = None

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        await receive()
        allow_open_files()
        calm_collector()
        loop = asyncio.get_running_loop()

        def at_signal(number: int, frame: FrameType | None) -> None:
            if self._ending is not None:  # a second signal stops at once
                self._servers[number](number, frame)
            else:
                loop.call_soon_threadsafe(self._begin_end, number)

        for number in ENDINGS:
            self._servers[number] = signal.signal(number, at_signal)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await newest.close()
        await shared_hub.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _begin_end(self, number: int) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(number))

    async def _end(self, number: int) -> None:
        try:
            await shared_hub.close_sockets("the server restarts: reconnect in a few seconds")
        finally:
            server = self._servers[number]
            if callable(server):
                server(number, None)


def allow_open_files() -> None:
    """Raise the soft limit on open files, usually 1,024: each connection is one."""
    wanted = settings.WEBSOCKET_MAX_CONNECTIONS + settings.HTTP_MAX_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        logger.warning(
            "the limit on open files is %d: WEBSOCKET_MAX_CONNECTIONS and HTTP_MAX_CONNECTIONS ask for %d", most, wanted
        )


def calm_collector() -> None:
    """Make full garbage collections rare: with ten thousand sockets one halts the process for a second.

    Everything loaded so far is never scanned again. Sockets leave no reference cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 1_000)
