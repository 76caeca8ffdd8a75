"""The closed lists of messages in both directions, and the rate limit."""

import json

import pytest

from realtime.sockets.core.messages import (
    Auth,
    ClientAck,
    ClientPong,
    InvalidMessage,
    Ping,
    Subscribe,
    Unsubscribe,
    read,
)
from realtime.sockets.core.protocol import (
    Ack,
    Close,
    Closing,
    Code,
    Error,
    Gap,
    GapReason,
    Heartbeat,
    Item,
    Notice,
    Outgoing,
    Pong,
    Welcome,
    refused,
)
from realtime.sockets.core.token_bucket import TokenBucket

MESSAGES = [
    ('{"type":"auth","token":"t"}', Auth(token="t")),
    ('{"type":"auth","ticket":"t","id":1}', Auth(ticket="t", id=1)),
    ('{"type":"ping"}', Ping()),
    ('{"type":"ping","id":"x"}', Ping(id="x")),
    ('{"type":"pong","whatever":1}', ClientPong()),
    ('{"type":"ack","n":17}', ClientAck(n=17)),
    ('{"type":"subscribe","topics":["A@B"],"id":7}', Subscribe(topics=["A@B"], id=7)),
    (
        '{"type":"subscribe","topics":["A@B"],"cadence":"1s","resume_from":"12-3"}',
        Subscribe(topics=["A@B"], cadence="1s", resume_from="12-3"),
    ),
    (
        '{"type":"subscribe","channel":"moneyness","instrument_key":"moneyness_greeks","params":{"underlying":"NIFTY"}}',
        Subscribe(channel="moneyness", instrument_key="moneyness_greeks", params={"underlying": "NIFTY"}),
    ),
    ('{"type":"unsubscribe","topics":["A@B"]}', Unsubscribe(topics=["A@B"])),
    (
        '{"type":"unsubscribe","channel":"ticks","instrument_key":"A@B"}',
        Unsubscribe(channel="ticks", instrument_key="A@B"),
    ),
]


@pytest.mark.parametrize(("text", "message"), MESSAGES)
def test_each_message_is_read(text: str, message: object) -> None:
    assert read(text) == message


WRONG = [
    ("", None, "truncated"),
    ("nonsense", None, "malformed"),
    ("null", None, "object"),
    ("{}", None, "type"),
    ('{"type":"sell","id":3}', 3, "sell"),
    ('{"type":"subscribe","id":3}', 3, "either topics or channel"),
    ('{"type":"unsubscribe","id":3,"topics":["a"],"channel":"b"}', 3, "either topics or channel"),
    ('{"type":"subscribe","topics":"A@B"}', None, "topics"),
    ('{"type":"subscribe","topics":["A@B"],"cadence":"5s"}', None, "cadence"),
    ('{"type":"subscribe","topics":["A@B"],"speed":1,"id":"q"}', "q", "speed"),
    ('{"type":"subscribe","topics":["A@B"],"resume_from":"12"}', None, "12"),
    ('{"type":"subscribe","topics":["A@B"],"resume_from":{"A@B":"x-1"},"id":8}', 8, "x-1"),
    ('{"type":"subscribe","topics":["A@B"],"resume_from":5,"id":8}', 8, "resume_from"),
    ('{"type":"ack","id":4}', 4, "n"),
    ('{"type":"ack","n":-1,"id":4}', 4, "n"),
    ("[" * 100_000, None, ""),
    ('{"type":"subscribe","topics":' + "[" * 30_000 + "]" * 30_000 + "}", None, "topics"),
    ('{"type":"subscribe","strange":' + '{"a":' * 9_000 + "1" + "}" * 9_000 + "}", None, ""),
    ('{"type":"ping","id":"\\ud800"}', None, ""),
    ('{"type":"ping","id":"\ud800"}', None, ""),
]


@pytest.mark.parametrize(("text", "request_id", "part"), WRONG)
def test_what_is_wrong_is_said_with_the_id(text: str, request_id: object, part: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        read(text)
    assert caught.value.request_id == request_id
    assert part in str(caught.value)


def test_resume_points_are_for_all_topics_or_for_each() -> None:
    assert Subscribe(resume_from="1-0").resume_point("a") == "1-0"
    each = Subscribe(resume_from={"a": "1-0"})
    assert each.resume_point("a") == "1-0" and each.resume_point("b") is None
    assert Subscribe().resume_point("a") is None


SENT = [
    (
        Welcome(client_id="me", heartbeat_seconds=30, max_subscriptions=5),
        {"type": "welcome", "client_id": "me", "heartbeat_seconds": 30, "max_subscriptions": 5,
         "cadences": ["raw", "100ms", "1s"]},
    ),
    (
        Ack(3, "subscribe", [Item(topic="a", ok=True, cadence="raw"),
                                      refused("b" * 999, Code.UNKNOWN_TOPIC, "why")]),
        {"type": "ack", "id": 3, "request": "subscribe", "items": [
            {"topic": "a", "ok": True, "cadence": "raw"},
            {"topic": "b" * 200, "ok": False, "code": "unknown_topic", "detail": "why"}]},
    ),
    (Error(None, Code.FORBIDDEN, "no"), {"type": "error", "id": None, "code": "forbidden", "detail": "no"}),
    (Pong("x", 5), {"type": "pong", "id": "x", "at": 5}),
    (Gap("a", GapReason.TRIMMED, "1-0"), {"type": "gap", "topic": "a", "reason": "trimmed", "since": "1-0"}),
    (
        Heartbeat(at=1, sent=2, conflated=3, dropped=4, lag_ms=None),
        {"type": "heartbeat", "at": 1, "sent": 2, "conflated": 3, "dropped": 4, "lag_ms": None},
    ),
    (Notice("margin", "why", 5), {"type": "notice", "subject": "margin", "text": "why", "at": 5}),
    (Closing(Close.GOING_AWAY, 700), {"type": "closing", "code": 1001, "reconnect_after_ms": 700}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "meaning"), SENT)
def test_each_answer(message: Outgoing, meaning: dict[str, object]) -> None:
    assert json.loads(message.json()) == meaning


def test_a_bucket_gives_its_burst_at_once_and_its_rate_in_the_long_run() -> None:
    bucket = TokenBucket(rate=2, burst=4, now=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [True] * 4 + [False]
    assert bucket.take(0.5) and not bucket.take(0.6)
    taken = sum(bucket.take(1 + step / 100) for step in range(10_000))
    assert 200 <= taken <= 205
    assert [bucket.take(1e6) for _ in range(5)] == [True] * 4 + [False]
