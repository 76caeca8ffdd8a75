"""Pages and bodies in situations that a client alone cannot cause."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
import uvicorn
from rest_framework_simplejwt.tokens import AccessToken

from realtime.snapshot.newest import newest_states
from signalsite.embedded.service import free_port
from signalsite.front import protocol
from signalsite.front.bodies import HANDLED_AT_ONCE, LARGE_BYTES, PLACES_PER_CALLER, Bodies, nothing
from signalsite.front.gate import Gate
from signalsite.front.live import LiveReads
from signalsite.front.pages import Pages
from signalsite.front.protocol import MAX_HEADER_BYTES, FrontProtocol
from signalsite.front.refusals import Refused, headers_too_large
from signalsite.front.standing import StandingTokens
from signalsite.front.temporary import write
from signalsite.schema import document
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


async def serve(pages, send):
    await pages.hand_over(await pages.ask(SCOPE, nothing()), send)


def gate(app, **more):
    async def exports(scope, receive, send):
        raise AssertionError("no export")

    async def no_token_stands(tokens):
        return [False for _ in tokens]

    bodies = Bodies(seconds=5, rate=1000, places=16, queue_seconds=2)
    live = LiveReads(newest_states, StandingTokens(no_token_stands, dict), None)
    return Gate(pages=pages(app, threads=8, queue_seconds=2, **more), exports=exports, bodies=bodies, live=live)


def test_a_request_that_finds_no_thread_is_told_to_come_again():
    released = threading.Event()

    def busy(environ, start_response):
        released.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    async def main():
        crowded, first = pages(busy), Answers()
        working = asyncio.create_task(serve(crowded, first))
        await asyncio.sleep(0.05)
        with pytest.raises(Refused) as refused:
            await serve(crowded, Answers())
        released.set()
        await working
        await serve(crowded, Answers())  # the thread is free again
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
    asyncio.run(serve(pages(app), answers))
    assert answers.messages[0] == {"type": "http.response.start", "status": 404, "headers": [(b"x-some", b"thing")]}
    assert answers.body == (b"ab" * 100) * (size // 200) + b"c" * (size % 200)
    assert len(ended) == 1 and ended[0].startswith("django")  # the thread with its database connection


@pytest.mark.parametrize("seconds", [0.0, 0.6])
def test_whole_large_bodies_wait_for_their_turn(seconds):
    size = LARGE_BYTES + 5

    def sender():
        parts = iter((b"a" * LARGE_BYTES, b"bcdef"))

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


def test_the_schema_quotes_what_is_answered():
    async def never():
        await asyncio.sleep(10)

    async def main():
        bodies = Bodies(seconds=0.1, rate=1000, places=1, queue_seconds=1)
        with pytest.raises(Refused) as refused:
            async with bodies.receive(never, 5, 10, ""):
                raise AssertionError("there is no body")
        return refused.value

    def quoted(name):
        return document()["components"]["responses"][name]["content"]["application/problem+json"]["example"]["detail"]

    assert str(asyncio.run(main())).replace("0.1 s", "10 s") == quoted("RequestTimeout")
    assert str(headers_too_large(MAX_HEADER_BYTES)) == quoted("RequestHeaderFieldsTooLarge")


@contextmanager
def served(app):
    """Run `app` in uvicorn with our protocol. Yields the address and the server's connections."""
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
        await served_pages.hand_over(await served_pages.ask(scope, nothing()), send)

    with served(http) as (address, _), connections(address, 3) as (first, second, third):
        time.sleep(0.2)
        second.ask("GET /slow")
        third.ask("GET /slow")
        time.sleep(0.2)
        with connections(address, 1) as (fourth,):
            assert first.is_ended()  # it had no request
            fourth.ask("GET /slow")
            time.sleep(0.2)
            with connections(address, 1) as (fifth,):
                answer = fifth.answer()
                assert answer.is_problem(503) and answer.headers["retry-after"] == "5"
            released.set()
            assert [each.answer().body for each in (second, third, fourth)] == [b"ok"] * 3


def test_one_address_has_a_share_of_the_connections_unless_it_is_a_proxys(settings):
    settings.HTTP_MAX_CONNECTIONS_PER_ADDRESS = 3

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with served(gate(app)) as (address, _), connections(address, 3):
        time.sleep(0.2)
        with connections(address, 1) as (fourth,):
            assert fourth.answer().is_problem(429)
            assert fourth.is_ended()
        with connections(address, 1, source="127.0.0.2") as (other,):
            other.ask("GET /health")
            assert other.answer().status == 200
        settings.FORWARDED_ALLOW_IPS = [ip_network("127.0.0.1/32")]
        with connections(address, 1) as (fourth,):
            fourth.ask("GET /health")
            assert fourth.answer().status == 200


JOBS = "POST /api/v2/signals/batch/jobs"


def authorization():
    token = AccessToken()
    token["user_id"] = "1"
    return f"Authorization: Bearer {token}"


def test_packed_bodies_are_large_ones_however_small_they_are():
    packed = (authorization(), "Content-Encoding: gzip", "Content-Length: 20")
    released = threading.Event()

    def app(environ, start_response):
        released.wait(10)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with served(gate(app)) as (address, _), connections(address, PLACES_PER_CALLER) as some:
        for each in some:
            each.ask(JOBS, *packed, body=b"a" * 20)
        time.sleep(0.3)
        with connections(address, 1) as (another,):
            another.ask(JOBS, *packed, body=b"a" * 20)
            assert another.answer().is_problem(429)
        released.set()
        assert {each.answer().status for each in some} == {200}


def test_who_does_not_read_the_answer_leaves_the_turn_to_others():
    size = 64 << 20
    head = (authorization(), f"Content-Length: {LARGE_BYTES + 1}")

    def app(environ, start_response):
        large = environ["QUERY_STRING"] == "large"
        start_response("200 OK", [("Content-Length", str(size if large else 2))])
        return [b"a" * size if large else b"ok"]

    with (
        served(gate(app)) as (address, _),
        connections(address, HANDLED_AT_ONCE, receive_buffer=4096) as idle,
        connections(address, 1) as (other,),
    ):
        for each in idle:
            each.ask(f"{JOBS}?large", *head, body=b"a" * (LARGE_BYTES + 1))
            assert each.socket.recv(12) == b"HTTP/1.1 200"
        other.ask(JOBS, *head, body=b"a" * (LARGE_BYTES + 1))
        assert other.answer().body == b"ok"


@pytest.mark.parametrize("door", ["body", "answer"])
def test_a_full_disk_is_a_503(door, monkeypatch):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"a" * (1 << 20)]

    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with served(gate(app)) as (address, _), connections(address, 1) as (client,):
        if door == "body":
            client.ask(JOBS, authorization(), f"Content-Length: {LARGE_BYTES + 1}", body=b"a" * (LARGE_BYTES + 1))
        else:
            client.ask("GET /ready")
        answer = client.answer()
        assert answer.is_problem(503) and answer.headers["retry-after"] == "5"


def test_a_write_to_a_full_disk_is_a_503():
    with Path("/dev/full").open("r+b", buffering=0) as full, pytest.raises(Refused) as refused:
        write(full, b"some")
    assert refused.value.status == 503


def test_a_reader_that_stalls_is_cut_off(settings):
    settings.HTTP_HEADER_SECONDS = 0.5
    size = 64 << 20

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", str(size))])
        return [b"a" * size]

    served_pages = pages(app, stalled_seconds=0.5)

    async def http(scope, receive, send):
        await served_pages.hand_over(await served_pages.ask(scope, nothing()), send)

    with served(http) as (address, open_connections), connections(address, 1, receive_buffer=4096) as (reader,):
        reader.ask("GET /")
        until(lambda: open_connections, 5, "it is there")
        until(lambda: not open_connections, 8, "it is gone, with what it did not take")


def test_an_error_that_nobody_expected_is_a_problem_and_is_logged(caplog):
    def app(environ, start_response):
        raise LookupError("of nobody's making")

    with served(gate(app)) as (address, _), connections(address, 1) as (first,):
        first.ask("GET /api/docs")
        assert first.answer().is_problem(500)
    (record,) = [each for each in caplog.records if each.name == "signalsite.front.gate"]
    assert "of nobody's making" in record.exc_text and record.path == "/api/docs"


def test_whoever_takes_nothing_of_an_answer_is_broken_off(monkeypatch):
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.5)
    body = b"a" * (32 << 20)

    async def http(scope, receive, send):
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with served(http) as (address, open_now), connections(address, 2, receive_buffer=4096) as (deaf, slow):
        deaf.ask("GET /")
        slow.ask("GET /")
        taken = len(slow.socket.recv(1 << 16))
        until(lambda: len(open_now) == 0, 10, "both are broken off")
        assert taken
