"""Effects: what an operation asks its driver to do.

Every operation of the client is a generator that yields effects and is sent their outcomes. It holds all the logic and
does no I/O. Two drivers carry effects out: `sync_driver` with blocking calls, `async_driver` on an event loop.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .http import Request

T = TypeVar("T")


class Interrupted(Exception):
    """A driver's: the connection failed or timed out. The request may or may not have arrived."""


class SocketClosed(Exception):
    """A driver's: the socket has ended, with this close code. None: without a closing handshake."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Send:
    """Outcome: the Reply, read. Raises Interrupted."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Outcome: the Reply. Where it is ok its body is left to Read. Raises Interrupted."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Outcome: the next bytes of an opened reply, decoded; none at its end. Raises Interrupted."""

    stream: Any


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """Outcome: seconds on a clock that only goes forward."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function of the user's. The asynchronous driver awaits what it returns, where that can be awaited."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Work:
    """Call a function that reads or writes files. The asynchronous driver does so in a thread."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Give the user a value of a stream."""

    value: T


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the feed's socket. Raises Interrupted, or ApiError where HTTP refuses it."""

    path: str
    query: Mapping[str, str]
    subprotocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receive:
    """Outcome: the socket's next message; None after these seconds. Raises SocketClosed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a message over the socket. Raises SocketClosed."""

    text: str


@dataclass(frozen=True, slots=True)
class Hang:
    """Close the feed's socket, whatever its state."""


Effect = Send | Open | Read | Pause | Now | Call | Work | Connect | Receive | SendText | Hang
Flow = Generator[Effect, Any, T]  # ends with a T
Stream = Generator[Effect | Emit[T], Any, None]  # emits Ts


class Steps(Generic[T]):
    """An operation under way: `next` gives the effect to carry out, `outcome` or `failure` takes what came of it."""

    def __init__(self, flow: Generator[Any, Any, T]) -> None:
        self._flow = flow
        self.outcome: Any = None
        self.failure: Exception | None = None
        self.result: T  # once `next` has returned None

    def next(self) -> Any:
        outcome, failure, self.outcome, self.failure = self.outcome, self.failure, None, None
        try:
            return self._flow.send(outcome) if failure is None else self._flow.throw(failure)
        except StopIteration as end:
            self.result = end.value
            return None

    def close(self) -> None:
        self._flow.close()


def each(stream: "Stream[T]", handle: Callable[[T], Iterable[Any]]) -> Generator[Any, Any, None]:
    """Carry a stream on; in place of each value that it emits, the effects of `handle` for that value."""
    steps = Steps(stream)
    while (effect := steps.next()) is not None:
        if isinstance(effect, Emit):
            yield from handle(effect.value)
            continue
        try:
            steps.outcome = yield effect
        except Exception as error:  # noqa: BLE001 - the stream decides what it means
            steps.failure = error


def collect(stream: "Stream[T]") -> "Flow[list[T]]":
    """Return all values of a stream."""
    values: list[T] = []

    def keep(value: T) -> tuple[()]:
        values.append(value)
        return ()

    yield from each(stream, keep)
    return values
