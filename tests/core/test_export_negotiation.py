"""Choose content codings, and limit simultaneous exports."""

import asyncio

import pytest

from batch.exports.asgi import Exports, Message, Receive, Scope, Send
from batch.exports.negotiation import choose_coding
from batch.exports.slots import Slots, TooManyExports, TooManyOfYours


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP;Q=0.9, zstd;q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd;q=0, gzip;q=0.001", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("*", "zstd"),
        ("br", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("gzip;q=nonsense", "identity"),
        ("gzip;q=7", "gzip"),
        (",;,", "identity"),
        ("br, identity;q=0", None),
        ("*;q=0", None),
        ("gzip, *;q=0", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
    ],
)
def test_content_codings_by_weight(header: str | None, coding: str | None) -> None:
    assert choose_coding(header) == coding


def test_a_format_without_codings_can_be_refused() -> None:
    assert choose_coding("gzip", ("identity",)) == "identity"
    assert choose_coding("gzip, identity;q=0", ("identity",)) is None


def test_slots_are_limited_for_one_and_for_all_and_come_back() -> None:
    slots = Slots(most=3, most_per_owner=2)
    with slots.request() as first, slots.request() as second, slots.request() as third, slots.request() as fourth:
        first.claim(1)
        second.claim(1)
        with pytest.raises(TooManyOfYours):
            third.claim(1)
        third.claim(2)
        with pytest.raises(TooManyExports):
            fourth.claim(3)
    with slots.request() as again, slots.request() as unused:
        again.claim(1)
        assert unused.owner is None
    with slots.request() as one, slots.request() as two:
        one.claim(1)
        two.claim(1)


@pytest.mark.parametrize("limits", [{"stalled": 0.05}, {"longest": 0.05}])
def test_a_reader_that_takes_nothing_is_dropped(limits: dict[str, float]) -> None:
    sent: list[Message] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["more_body"] is False
        while True:
            await send({"type": "http.response.body", "body": b"row\n", "more_body": True})

    async def receive() -> Message:
        raise AssertionError("the body is not wanted")

    async def send(message: Message) -> None:
        sent.append(message)
        await asyncio.sleep(0 if len(sent) < 3 else 60)

    application = Exports(endless, **limits)
    asyncio.run(asyncio.wait_for(application({"path": "/", "method": "GET"}, receive, send), 5))
    assert len(sent) == 3
