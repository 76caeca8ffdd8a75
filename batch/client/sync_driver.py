"""Carries out effects with blocking calls."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import httpx

from .core.effects import Call, Effect, Emit, Flow, Now, Open, Pause, Read, Send, Steps, Stream, Work
from .core.http import Request
from .core.service import Service
from .transport import FAILURES, interrupted, reply_of

P = ParamSpec("P")
T = TypeVar("T")


class Driver:
    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def run(self, flow: Flow[T]) -> T:
        steps = Steps(flow)
        with ExitStack() as opened:
            opened.callback(steps.close)
            while (effect := steps.next()) is not None:
                self._step(steps, effect, opened)
        return steps.result

    def iterate(self, stream: Stream[T]) -> Iterator[T]:
        steps = Steps(stream)
        with ExitStack() as opened:
            opened.callback(steps.close)
            while (effect := steps.next()) is not None:
                if isinstance(effect, Emit):
                    yield effect.value
                else:
                    self._step(steps, effect, opened)

    def _step(self, steps: Steps[Any], effect: Effect, opened: ExitStack) -> None:
        try:
            steps.outcome = self.perform(effect, opened)
        except Exception as error:  # noqa: BLE001 - the operation decides what it means
            steps.failure = error

    def perform(self, effect: Effect, opened: ExitStack) -> Any:
        match effect:
            case Send(request):
                return self._send(request, None)
            case Open(request):
                return self._send(request, opened)
            case Read(parts):
                try:
                    return next(parts, b"")
                except FAILURES as error:
                    raise interrupted(error) from error
            case Pause(seconds):
                return time.sleep(seconds)
            case Now():
                return time.monotonic()
            case Call(function) | Work(function):
                return function()
        raise TypeError(f"{effect!r} needs a socket")

    def _send(self, request: Request, opened: ExitStack | None) -> Any:
        built = self._http.build_request(
            request.method,
            request.path,
            params=request.query or None,
            headers=request.headers,
            content=request.content,
        )
        try:
            response = self._http.send(built, stream=opened is not None)
            if opened is None:
                return reply_of(response, response.content)
            opened.callback(response.close)
            if response.is_success:
                return reply_of(response, b"", response.iter_bytes())
            return reply_of(response, response.read())
        except FAILURES as error:
            raise interrupted(error) from error


class Connected(Protocol):
    """What has operations as methods."""

    _service: Service
    _driver: Driver


def returning(
    operation: Callable[Concatenate[Service, P], Flow[T]],
) -> Callable[Concatenate[Any, P], T]:
    """A method that carries an operation out and returns its result."""

    @wraps(operation)
    def method(self: Connected, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._driver.run(operation(self._service, *args, **kwargs))

    return method


def iterating(
    operation: Callable[Concatenate[Service, P], Stream[T]],
) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """A method that carries an operation out and iterates over what it emits."""

    @wraps(operation)
    def method(self: Connected, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._driver.iterate(operation(self._service, *args, **kwargs))

    return method
