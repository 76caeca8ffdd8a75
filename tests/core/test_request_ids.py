"""The ids of requests, at the ASGI border."""

import asyncio
from collections.abc import Mapping
from typing import Any

from signalsite.foundation.log_context import request_id
from signalsite.front.request_ids import RequestIds

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


def ask(scope: dict[str, Any]) -> tuple[list[Mapping[str, Any]], Any, Any, str]:
    """(what was sent, the server's `send`, the `send` that the application was given, the id in its context)"""
    sent: list[Mapping[str, Any]] = []
    given: list[Any] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request"}

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        given.extend((send, request_id.get()))
        await send(START)
        await send({"type": "http.response.body", "body": b"x"})

    asyncio.run(RequestIds(application)(scope, receive, send))
    return sent, send, given[0], given[1]


def test_an_answer_has_the_id_and_the_applications_headers_stay_its_own() -> None:
    sent, _, _, known = ask({"type": "http", "headers": [(b"x-request-id", b"mine")]})
    assert known == "mine" and sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", b"mine")]
    assert START["headers"] == [(b"a", b"b")] and sent[1] == {"type": "http.response.body", "body": b"x"}


def test_a_socket_keeps_the_servers_own_send() -> None:
    """It finds the server by it, and writes frames past ASGI."""
    sent, servers, given, known = ask({"type": "websocket", "headers": [(b"x-request-id", b"mine")]})
    assert given is servers and known == "mine" and sent[0] is START


def test_nothing_of_a_request_stays_behind() -> None:
    ask({"type": "http", "headers": []})
    assert request_id.get() == ""
