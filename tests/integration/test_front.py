"""Pages and bodies where it takes more than a client to provoke it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from signalsite.front.bodies import HANDLED_AT_ONCE, SPOOLED_BYTES, Bodies, nothing
from signalsite.front.pages import Pages
from signalsite.front.refusals import Refused

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


@pytest.mark.parametrize("seconds", [0.0, 2.0])
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
