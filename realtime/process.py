"""What this process has one of: its hub and its reader of newest states. And its end: sockets are closed with a hint
before the server goes."""

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from django.conf import settings

from realtime.control_listener import ControlListener
from realtime.core.protocol import Close, Closing
from realtime.hub import Hub
from realtime.newest import NewestStates

logger = logging.getLogger(__name__)

ENDINGS = (signal.SIGTERM, signal.SIGINT)
RECONNECT_MS = range(500, 8_500, 250)  # spread, so that not all come back at once
SPARE_FILES = 1024  # besides the connections: large bodies and answers, the database, Redis

_hub: Hub | None = None
_control: ControlListener | None = None
_newest: NewestStates | None = None


def the_hub() -> Hub:
    """Made when it is first asked for, with its ear on the control plane: both belong to the running event loop."""
    global _hub, _control
    if _hub is None:
        _hub = Hub(settings.REDIS_URL)
        _control = ControlListener(_hub)
    return _hub


def newest_states() -> NewestStates:
    """Made when it is first asked for, as the hub is."""
    global _newest
    if _newest is None:
        _newest = NewestStates(settings.REDIS_URL)
    return _newest


class Lifespan:
    """ASGI's lifespan: at SIGTERM or SIGINT the sockets are closed, and only then the server's own handler is called.

    The server would close them with 1012 and no hint, and does so before it tells the application of its end.
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
            if self._ending is not None:  # whoever asks twice does not want to wait
                self._servers[number](number, frame)
            else:
                loop.call_soon_threadsafe(self._begin_end, number)

        for number in ENDINGS:
            self._servers[number] = signal.signal(number, at_signal)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if _control is not None:
            await _control.stop()
        if _hub is not None:
            await _hub.stop()
        if _newest is not None:
            await _newest.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _begin_end(self, number: int) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(number))

    async def _end(self, number: int) -> None:
        try:
            if _hub is not None:
                hints = [Closing(Close.GOING_AWAY, milliseconds) for milliseconds in RECONNECT_MS]
                await _hub.close_all(Close.GOING_AWAY, "the server restarts: reconnect in a few seconds", hints)
        finally:
            server = self._servers[number]
            if callable(server):
                server(number, None)


def allow_open_files() -> None:
    """Each connection is an open file; the usual soft limit is 1,024."""
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
    """Ten thousand sockets are millions of objects: a full collection halts them all for a second.

    What was loaded by now is never looked at again, and full collections become rare; sockets leave no cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 1_000)
