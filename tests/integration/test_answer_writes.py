"""How many writes an answer takes: each wakes its reader."""

import asyncio

import pytest
import uvicorn

from signalsite.embedded.service import free_port
from signalsite.front.answer_transport import JOINED_BYTES
from signalsite.front.protocol import FrontProtocol

START = {"type": "http.response.start", "status": 200}
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Writes:
    """A transport that notes what is written."""

    def __init__(self, transport, noted):
        self._transport, self._noted = transport, noted

    def write(self, data):
        self._noted.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name):
        return getattr(self._transport, name)


async def exchange(app, request):
    """Send a request and read until the server closes. Return what it wrote, write by write, and what arrived."""
    noted = []

    class Noting(FrontProtocol):
        def connection_made(self, transport):
            super().connection_made(Writes(transport, noted))

    port = free_port()
    options = {"http": Noting, "loop": "uvloop", "lifespan": "off", "log_level": "critical"}
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, **options))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await asyncio.sleep(0.1)
    server.should_exit = True
    arrived = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await serving
    return noted, arrived


def answering(*bodies, length=True):
    async def app(scope, receive, send):
        if b"expect" in dict(scope["headers"]):
            await receive()
        headers = [(b"content-length", b"%d" % sum(map(len, bodies)))] if length else []
        await send({**START, "headers": headers})
        for place, body in enumerate(bodies):
            await send({"type": "http.response.body", "body": body, "more_body": place < len(bodies) - 1})

    return app


CONTINUED = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("app", "request_", "ends"),
    [
        (answering(b"body"), GET, [b"\r\n\r\nbody"]),
        (answering(b"body"), GET * 3, [b"\r\n\r\nbody"] * 3),
        (answering(b"bo", b"dy"), GET, [b"\r\n\r\nbo", b"dy"]),
        (answering(b"", b"body"), GET, [b"\r\n\r\n", b"body"]),
        (answering(b""), GET, [b"\r\n\r\n", b""]),
        (answering(b"body"), GET.replace(b"GET", b"HEAD"), [b"\r\n\r\n"]),
        (answering(b"body", length=False), GET, [b"\r\n\r\n", b"4\r\nbody\r\n0\r\n\r\n"]),
        (answering(b"a" * JOINED_BYTES), GET, [b"\r\n\r\n" + b"a" * JOINED_BYTES]),
        (answering(b"a" * (JOINED_BYTES + 1)), GET, [b"\r\n\r\n", b"a" * (JOINED_BYTES + 1)]),
        (answering(b"body"), CONTINUED, [b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n\r\n", b"body"]),
    ],
)
def test_the_head_of_a_short_answer_goes_with_its_body(app, request_, ends):
    noted, arrived = asyncio.run(exchange(app, request_))
    assert b"".join(noted) == arrived
    assert len(noted) == len(ends)
    for written, end in zip(noted, ends, strict=True):
        assert written == end or (written.startswith(b"HTTP/1.1 200 OK\r\n") and written.endswith(end))


def test_a_head_without_the_promised_body_is_not_an_answer():
    async def app(scope, receive, send):
        await send({**START, "headers": [(b"content-length", b"4")]})
        raise LookupError("of nobody's making")

    noted, arrived = asyncio.run(exchange(app, GET))
    assert noted == [] and arrived == b""


def test_one_that_breaks_off_is_no_whole_answer():
    async def app(scope, receive, send):
        await send({**START, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"bo", "more_body": True})
        raise LookupError("of nobody's making")

    _, arrived = asyncio.run(exchange(app, GET))
    assert b"content-length: 4\r\n" in arrived and arrived.endswith(b"\r\n\r\nbo")
