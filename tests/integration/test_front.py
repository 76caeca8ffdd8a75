"""Pages and bodies where it takes more than a client to provoke it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from signalsite.embedded.service import free_port
from signalsite.front.bodies import HANDLED_AT_ONCE, SPOOLED_BYTES, Bodies, nothing
from signalsite.front.pages import Pages
from signalsite.front.protocol import FrontProtocol
from signalsite.front.refusals import Refused
from tests.e2e.raw import connections
from tests.integration.processes import until

SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "http_version": "1.1"}


class Answers:
    def __init__(self):
        self.messages = []

    async def __call__(self, message):
        self.messages.append(message)

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.messages)


def pages(app, **more):
    return Pages(app, **{"threads": 1, "queue_seconds": 0.2, **more})


def test_a_request_that_finds_no_thread_is_told_to_come_again():
    released = threading.Event()

    def busy(environ, start_response):
        released.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    async def main():
        crowded, first = pages(busy), Answers()
        working = asyncio.create_task(crowded(SCOPE, nothing(), first))
        await asyncio.sleep(0.05)
        with pytest.raises(Refused) as refused:
            await crowded(SCOPE, nothing(), Answers())
        released.set()
        await working
        await crowded(SCOPE, nothing(), Answers())  # the thread is free again
        return refused.value, first

    refusal, first = asyncio.run(main())
    assert refusal.status == 503 and (b"retry-after", b"5") in refusal.headers
    assert first.body == b"done"


@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_answers_of_all_sizes_are_whole_and_closed(size):
    ended = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"ab" * 100 for _ in range(size // 200))
            yield b"c" * (size % 200)

        def close(self) -> None:
            ended.append(threading.current_thread().name)

    def app(environ, start_response):
        start_response("404 Not Found", [("X-Some", "thing")])
        return Parts()

    answers = Answers()
    asyncio.run(pages(app)(SCOPE, nothing(), answers))
    assert answers.messages[0] == {"type": "http.response.start", "status": 404, "headers": [(b"x-some", b"thing")]}
    assert answers.body == (b"ab" * 100) * (size // 200) + b"c" * (size % 200)
    assert len(ended) == 1 and ended[0].startswith("django")  # where its database connection is


@pytest.mark.parametrize("seconds", [0.0, 0.6])
def test_whole_large_bodies_wait_for_their_turn(seconds):
    size = SPOOLED_BYTES + 5

    def sender():
        parts = iter((b"a" * SPOOLED_BYTES, b"bcdef"))

        async def receive():
            part = next(parts)
            return {"type": "http.request", "body": part, "more_body": not part.startswith(b"b")}

        return receive

    async def main():
        bodies = Bodies(seconds=1, rate=1000, places=100, queue_seconds=0.2)
        handled, statuses = [], []

        async def handle(number):
            try:
                async with bodies.receive(sender(), size, size, str(number)) as body:
                    handled.append((body.size, body.file.read()[-6:]))
                    await asyncio.sleep(seconds)
            except Refused as refusal:
                statuses.append(refusal.status)

        await asyncio.gather(*(handle(number) for number in range(HANDLED_AT_ONCE + 3)))
        return handled, statuses

    handled, statuses = asyncio.run(main())
    assert set(handled) == {(size, b"abcdef")}
    assert statuses == ([503] * 3 if seconds else [])


@contextmanager
def served(app):
    """`app` by uvicorn with our protocol; the address and the server's connections."""
    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http=FrontProtocol, loop="uvloop", lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, 10, "uvicorn runs")
        yield f"http://127.0.0.1:{port}", server.server_state.connections
    finally:
        server.should_exit = True
        thread.join(20)


def test_too_many_connections(settings):
    settings.HTTP_MAX_CONNECTIONS = 3
    released = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            released.wait(20)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    served_pages = pages(app, threads=4, queue_seconds=5)

    async def http(scope, receive, send):
        await served_pages(scope, nothing(), send)

    with served(http) as (address, _), connections(address, 3) as (first, second, third):
        time.sleep(0.2)
        second.ask("GET /slow")
        third.ask("GET /slow")
        time.sleep(0.2)
        with connections(address, 1) as (fourth,):
            assert first.is_ended()  # it had asked nothing
            fourth.ask("GET /slow")
            time.sleep(0.2)
            with connections(address, 1) as (fifth,):
                answer = fifth.answer()
                assert answer.is_problem(503) and answer.headers["retry-after"] == "5"
            released.set()
            assert [each.answer().body for each in (second, third, fourth)] == [b"ok"] * 3


def test_a_reader_that_stalls_is_cut_off(settings):
    settings.HTTP_HEADER_SECONDS = 0.5
    size = 64 << 20

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", str(size))])
        return [b"a" * size]

    served_pages = pages(app, stalled_seconds=0.5)

    async def http(scope, receive, send):
        await served_pages(scope, nothing(), send)

    with served(http) as (address, open_connections), connections(address, 1, receive_buffer=4096) as (reader,):
        reader.ask("GET /")
        until(lambda: open_connections, 5, "it is there")
        until(lambda: not open_connections, 8, "it is gone, with what it did not take")
