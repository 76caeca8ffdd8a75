"""A feed of live states with blocking calls."""

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from .core.effects import Connect, Effect, Emit, Hang, Pause, Receive, SendText, Steps
from .core.events import Event, Heartbeat
from .core.listening import Feed as FeedFlow
from .core.subscriptions import Subscriptions
from .sync_driver import Driver
from .transport import CLOSE_SECONDS, LARGEST_MESSAGE, interrupted, refused_upgrade, socket_closed


class Feed:
    """Live states of topics, as an iterator of events. It reconnects by itself and resumes where it broke off.

    One thread iterates. Others may subscribe, unsubscribe and close.
    """

    def __init__(self, flow: FeedFlow, subscriptions: Subscriptions, driver: Driver, url: str, timeout: float) -> None:
        self._steps = Steps(flow.listen())
        self._subscriptions = subscriptions
        self._driver = driver
        self._url = url
        self._timeout = timeout
        self._effect: Effect | None = None  # under way
        self._began = 0.0
        self._socket: ClientConnection | None = None
        self._opened = ExitStack()
        self._closed = False
        self.heartbeat: Heartbeat | None = None  # the newest

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._opened.close()

    def subscribe(self, *topics: str, cadence: str = "raw", resume_from: str | Mapping[str, str] | None = None) -> None:
        """Subscribe to topics; their states come from the iterator. `resume_from`: one entry ID, or one a topic."""
        self._send(self._subscriptions.add(topics, cadence=cadence, resume_from=resume_from))

    def unsubscribe(self, *topics: str) -> None:
        self._send(self._subscriptions.remove(topics))

    def resume_points(self) -> dict[str, str]:
        """Return where to resume each topic: keep it, and pass it as `resume_from` after a restart of your program."""
        return self._subscriptions.resume_points()

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> Event:
        event = self._next(None)
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event:
        """Return the next event. Raises TimeoutError after `timeout` seconds; no event is lost by that."""
        event = self._next(timeout)
        if event is None:
            raise ValueError("the feed is closed")
        return event

    def _next(self, timeout: float | None) -> Event | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closed:
            effect = self._effect = self._effect or self._begin()
            if isinstance(effect, Emit):
                self._effect = None
                if isinstance(effect.value, Heartbeat):
                    self.heartbeat = effect.value
                event: Event = effect.value
                return event
            try:
                self._steps.outcome = self._perform(effect, deadline)
            except _Later:
                raise TimeoutError(f"no event in {timeout} s") from None
            except Exception as error:  # noqa: BLE001 - the flow decides what it means
                self._steps.failure = error
            self._effect = None
        return None

    def _begin(self) -> Effect:
        self._began = time.monotonic()
        try:
            effect: Effect = self._steps.next()
        except BaseException:
            self.close()
            raise
        return effect

    def _perform(self, effect: Any, deadline: float | None) -> Any:
        match effect:
            case Connect():
                self._connect(effect)
                return None
            case Receive(seconds):
                left, last = self._left(seconds, deadline)
                try:
                    return self._socket.recv(timeout=left)  # type: ignore[union-attr]  # connected before
                except TimeoutError:
                    if last:
                        raise _Later from None
                    return None
                except ConnectionClosed as error:
                    raise socket_closed(error) from error
            case Pause(seconds):
                left, last = self._left(seconds, deadline)
                time.sleep(left)
                if last:
                    raise _Later
                return None
            case SendText(text):
                try:
                    return self._socket.send(text)  # type: ignore[union-attr]
                except ConnectionClosed as error:
                    raise socket_closed(error) from error
            case Hang():
                self._socket = None
                return self._opened.close()
        return self._driver.perform(effect, self._opened)

    def _left(self, seconds: float, deadline: float | None) -> tuple[float, bool]:
        """How long to wait, and whether that is the user's deadline rather than the effect's end."""
        end = self._began + seconds
        last = deadline is not None and deadline < end
        return max(0.0, (deadline if last else end) - time.monotonic()), last  # type: ignore[operator]

    def _connect(self, effect: Connect) -> None:
        query = "&".join(f"{name}={value}" for name, value in effect.query.items())
        try:
            opening = connect(
                f"{self._url}{effect.path}{'?' if query else ''}{query}",
                subprotocols=list(effect.subprotocols) or None,  # type: ignore[arg-type]
                compression=None,
                open_timeout=self._timeout,
                close_timeout=CLOSE_SECONDS,
                ping_interval=None,  # the service's heartbeats tell whether it is there
                max_size=LARGEST_MESSAGE,
            )
            self._socket = self._opened.enter_context(opening)
        except InvalidStatus as error:
            raise refused_upgrade(error) from error
        except (OSError, EOFError, WebSocketException) as error:
            raise interrupted(error) from error

    def _send(self, messages: list[str]) -> None:
        socket = self._socket
        if socket is None:
            return  # they are sent when it is connected
        with suppress(ConnectionClosed):  # the same then
            for message in messages:
                socket.send(message)


class _Later(Exception):
    """The user's deadline came first: the effect stays under way."""
