"""Carries out effects on asyncio's event loop."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import httpx

from .core.effects import Call, Effect, Emit, Flow, Now, Open, Pause, Read, Send, Steps, Stream, Work
from .core.http import Request
from .core.service import Service
from .transport import FAILURES, interrupted, reply_of

P = ParamSpec("P")
T = TypeVar("T")


class AsyncDriver:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def run(self, flow: Flow[T]) -> T:
        steps = Steps(flow)
        async with AsyncExitStack() as opened:
            opened.callback(steps.close)
            while (effect := steps.next()) is not None:
                await self._step(steps, effect, opened)
        return steps.result

    async def iterate(self, stream: Stream[T]) -> AsyncIterator[T]:
        steps = Steps(stream)
        async with AsyncExitStack() as opened:
            opened.callback(steps.close)
            while (effect := steps.next()) is not None:
                if isinstance(effect, Emit):
                    yield effect.value
                else:
                    await self._step(steps, effect, opened)

    async def _step(self, steps: Steps[Any], effect: Effect, opened: AsyncExitStack) -> None:
        try:
            steps.outcome = await self.perform(effect, opened)
        except Exception as error:  # noqa: BLE001 - the operation decides what it means
            steps.failure = error

    async def perform(self, effect: Effect, opened: AsyncExitStack) -> Any:
        match effect:
            case Send(request):
                return await self._send(request, None)
            case Open(request):
                return await self._send(request, opened)
            case Read(parts):
                try:
                    return await anext(parts, b"")
                except FAILURES as error:
                    raise interrupted(error) from error
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Now():
                return time.monotonic()
            case Call(function):
                found = function()
                return await found if inspect.isawaitable(found) else found
            case Work(function):
                return await asyncio.to_thread(function)
        raise TypeError(f"{effect!r} needs a socket")

    async def _send(self, request: Request, opened: AsyncExitStack | None) -> Any:
        content: Any = request.content
        if content is not None and not isinstance(content, bytes):
            content = _parts(content)
        built = self._http.build_request(
            request.method,
            request.path,
            params=request.query or None,
            headers=request.headers,
            content=content,
        )
        try:
            response = await self._http.send(built, stream=opened is not None)
            if opened is None:
                return reply_of(response, response.content)
            opened.push_async_callback(response.aclose)
            if response.is_success:
                return reply_of(response, b"", response.aiter_bytes())
            return reply_of(response, await response.aread())
        except FAILURES as error:
            raise interrupted(error) from error


async def _parts(content: Any) -> AsyncIterator[bytes]:
    parts = iter(content)
    while part := await asyncio.to_thread(next, parts, b""):
        yield part


class Connected(Protocol):
    """What has operations as methods."""

    _service: Service
    _driver: AsyncDriver


def returning(
    operation: Callable[Concatenate[Service, P], Flow[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """A coroutine method that carries an operation out and returns its result."""

    @wraps(operation)
    async def method(self: Connected, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._driver.run(operation(self._service, *args, **kwargs))

    return method


def iterating(
    operation: Callable[Concatenate[Service, P], Stream[T]],
) -> Callable[Concatenate[Any, P], AsyncIterator[T]]:
    """A method that carries an operation out and iterates over what it emits."""

    @wraps(operation)
    def method(self: Connected, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._driver.iterate(operation(self._service, *args, **kwargs))

    return method
