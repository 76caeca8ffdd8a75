"""A feed of live states on asyncio's event loop."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from .async_driver import AsyncDriver
from .core.effects import Connect, Effect, Emit, Hang, Pause, Receive, SendText, Steps
from .core.events import Event, Heartbeat
from .core.listening import Feed as FeedFlow
from .core.subscriptions import Subscriptions
from .transport import CLOSE_SECONDS, LARGEST_MESSAGE, interrupted, refused_upgrade, socket_closed


class AsyncFeed:
    """Live states of topics, as an asynchronous iterator of events. It reconnects by itself and resumes.

    One task iterates. Others may subscribe, unsubscribe and close. A task that is cancelled while it waits for an event
    loses none: iterate again.
    """

    def __init__(
        self, flow: FeedFlow, subscriptions: Subscriptions, driver: AsyncDriver, url: str, timeout: float
    ) -> None:
        self._steps = Steps(flow.listen())
        self._subscriptions = subscriptions
        self._driver = driver
        self._url = url
        self._timeout = timeout
        self._effect: Effect | None = None  # under way
        self._began = 0.0
        self._socket: ClientConnection | None = None
        self._opened = AsyncExitStack()
        self._closed = False
        self.heartbeat: Heartbeat | None = None  # the newest

    async def __aenter__(self) -> "AsyncFeed":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._closed = True
        await self._opened.aclose()

    async def subscribe(
        self, *topics: str, cadence: str = "raw", resume_from: str | Mapping[str, str] | None = None
    ) -> None:
        """Subscribe to topics; their states come from the iterator. `resume_from`: one entry ID, or one a topic."""
        await self._send(self._subscriptions.add(topics, cadence=cadence, resume_from=resume_from))

    async def unsubscribe(self, *topics: str) -> None:
        await self._send(self._subscriptions.remove(topics))

    def resume_points(self) -> dict[str, str]:
        """Return where to resume each topic: keep it, and pass it as `resume_from` after a restart of your program."""
        return self._subscriptions.resume_points()

    def __aiter__(self) -> "AsyncFeed":
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            effect = self._effect = self._effect or await self._begin()
            if isinstance(effect, Emit):
                self._effect = None
                if isinstance(effect.value, Heartbeat):
                    self.heartbeat = effect.value
                event: Event = effect.value
                return event
            try:
                self._steps.outcome = await self._perform(effect)
            except Exception as error:  # noqa: BLE001 - the flow decides what it means
                self._steps.failure = error
            self._effect = None
        raise StopAsyncIteration

    async def next(self, timeout: float | None = None) -> Event:
        """Return the next event. Raises TimeoutError after `timeout` seconds; no event is lost by that."""
        try:
            return await asyncio.wait_for(self.__anext__(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no event in {timeout} s") from None
        except StopAsyncIteration:
            raise ValueError("the feed is closed") from None

    async def _begin(self) -> Effect:
        self._began = time.monotonic()
        try:
            effect: Effect = self._steps.next()
        except BaseException:
            await self.close()
            raise
        return effect

    async def _perform(self, effect: Any) -> Any:
        match effect:
            case Connect():
                return await self._connect(effect)
            case Receive(seconds):
                try:
                    return await asyncio.wait_for(self._socket.recv(), self._left(seconds))  # type: ignore[union-attr]
                except asyncio.TimeoutError:
                    return None
                except ConnectionClosed as error:
                    raise socket_closed(error) from error
            case Pause(seconds):
                return await asyncio.sleep(self._left(seconds))
            case SendText(text):
                try:
                    return await self._socket.send(text)  # type: ignore[union-attr]
                except ConnectionClosed as error:
                    raise socket_closed(error) from error
            case Hang():
                self._socket = None
                return await self._opened.aclose()
        return await self._driver.perform(effect, self._opened)

    def _left(self, seconds: float) -> float:
        """How long an effect still lasts that a cancelled task may have begun."""
        return max(0.0, self._began + seconds - time.monotonic())

    async def _connect(self, effect: Connect) -> None:
        query = "&".join(f"{name}={value}" for name, value in effect.query.items())
        opening = connect(
            f"{self._url}{effect.path}{'?' if query else ''}{query}",
            subprotocols=list(effect.subprotocols) or None,  # type: ignore[arg-type]
            compression=None,
            open_timeout=self._timeout,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,  # the service's heartbeats tell whether it is there
            max_size=LARGEST_MESSAGE,
            process_exception=lambda error: error,  # the flow decides what is tried again
        )
        try:
            self._socket = await self._opened.enter_async_context(opening)
        except InvalidStatus as error:
            raise refused_upgrade(error) from error
        except (OSError, EOFError, WebSocketException, asyncio.TimeoutError) as error:
            raise interrupted(error) from error

    async def _send(self, messages: list[str]) -> None:
        socket = self._socket
        if socket is None:
            return  # they are sent when it is connected
        with suppress(ConnectionClosed):  # the same then
            for message in messages:
                await socket.send(message)
