"""Tasks that outlive the request that starts them write no log line in its name."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from rest_framework_simplejwt.tokens import AccessToken

from realtime.snapshot.newest import NewestStates
from realtime.sockets.control_listener import ControlListener
from realtime.sockets.hub import Hub
from realtime.sockets.topics import Feed
from signalsite.embedded.service import free_port
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.log_context import request_id
from signalsite.foundation.log_format import Context
from signalsite.foundation.redis import client
from signalsite.front import standing
from signalsite.front.standing import StandingTokens

STREAM = "request_ids_of_tasks"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Log records as the service's handler sees them."""
    context = Context()
    caplog.handler.addFilter(context)
    yield caplog
    caplog.handler.removeFilter(context)


@pytest.fixture
def nowhere() -> str:
    return f"redis://127.0.0.1:{free_port()}/0"


async def said(lines: pytest.LogCaptureFixture, words: str) -> logging.LogRecord:
    deadline = time.monotonic() + 10
    while not (found := [line for line in lines.records if words in line.getMessage()]):
        assert time.monotonic() < deadline, [line.getMessage() for line in lines.records]
        await asyncio.sleep(0.02)
    return found[0]


def in_a_request(body: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        request_id.set("of-the-first-request")
        return await body()

    return asyncio.run(main())


def test_the_hub(lines: pytest.LogCaptureFixture) -> None:
    async def body() -> logging.LogRecord:
        hub = Hub(settings.REDIS_URL)
        try:
            async with hub.reading(Feed(STREAM)):
                client(settings.REDIS_URL).set(STREAM, "no stream")
                return await said(lines, "is a string and no stream")
        finally:
            client(settings.REDIS_URL).delete(STREAM)
            await hub.stop()

    assert not hasattr(in_a_request(body), "request_id")


def test_the_control_listener(lines: pytest.LogCaptureFixture, nowhere: str, settings: Any) -> None:
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {"hosts": [{"address": nowhere}]}}}

    async def body() -> logging.LogRecord:
        hub = Hub(nowhere)
        listener = ControlListener(hub)
        try:
            return await said(lines, "the control plane cannot be heard")
        finally:
            await listener.stop()
            await hub.stop()

    assert not hasattr(in_a_request(body), "request_id")


def test_the_reader_of_newest_states(lines: pytest.LogCaptureFixture, nowhere: str) -> None:
    def reading() -> Any:
        yield [("a", ("b",))]

    async def body() -> logging.LogRecord:
        states = NewestStates(nowhere)
        try:
            with pytest.raises(RedisConnectionError):
                await states.run(reading())
            return await said(lines, "live reads find no Redis")
        finally:
            await states.close()

    assert not hasattr(in_a_request(body), "request_id")


def test_the_proofs_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first proof, and the renewal that a timer begins."""
    monkeypatch.setattr(standing, "RENEW_SECONDS", 0.0)
    monkeypatch.setattr(standing, "GATHER_SECONDS", 0.05)
    found: list[str] = []

    async def prove(shown: Any) -> list[bool]:
        found.append(request_id.get())
        return [True] * len(shown)

    async def body() -> None:
        token = AccessToken()
        token["user_id"] = "1"
        tokens = StandingTokens(prove, dict)
        assert await tokens.stands(str(token).encode())
        assert await tokens.stands(str(token).encode())
        await asyncio.sleep(0.3)

    in_a_request(body)
    assert found == ["", ""]
