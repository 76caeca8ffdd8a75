"""The client's logic without I/O: flows are sent what a network would answer."""

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.client import (
    AsyncClient,
    BrokenStream,
    Client,
    Connected,
    Disconnected,
    Event,
    FeedEnded,
    Job,
    ServiceUnreachable,
    Update,
)
from batch.client.core.arrow_stream import ArrowDecoder
from batch.client.core.credentials import GivenToken, lifetime
from batch.client.core.effects import (
    Call,
    Connect,
    Emit,
    Hang,
    Now,
    Open,
    Pause,
    Read,
    Receive,
    SendText,
    SocketClosed,
    Steps,
)
from batch.client.core.http import Reply
from batch.client.core.listening import Feed
from batch.client.core.service import Service
from batch.client.core.shapes import instant
from batch.client.core.subscriptions import Subscriptions
from batch.client.operations.exports import iter_batches
from tests.core.scripted_network import DONE

SPOT = "NSE@NIFTY@equity_spot"
CHAIN = "NSE@NIFTY@equity_options@2026-12-29@"
WELCOME = {"type": "welcome", "client_id": "c", "heartbeat_seconds": 10, "max_subscriptions": 9, "cadences": []}


def test_both_clients_have_the_same_operations_with_the_same_arguments_and_docs() -> None:
    names = {name for name in vars(Client) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")}
    assert len(names) > 20
    for name in names - {"feed", "close"}:
        one, other = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(one) == inspect.signature(other) and one.__doc__ == other.__doc__ and one.__doc__


def update(topic: str, seq: str, data: Any = None, prev: str | None = None) -> dict[str, Any]:
    return {"type": "update", "topic": topic, "seq": seq, "prev": prev, "data": data}


@pytest.fixture
def made() -> list[str]:
    return []


@pytest.fixture
def fresh(made: list[str]) -> Callable[[], str]:
    """Makes tokens that live for 100 s, and notes each."""

    def make() -> str:
        made.append(jwt.encode({"iat": 1000, "exp": 1100, "n": len(made)}, "secret of the tests, of 32 bytes"))
        return made[-1]

    return make


class Listening:
    """A feed's flow with a network that says what a test says; its clock runs only in pauses and receptions."""

    def __init__(self, *, token: Any = "t", service: Service | None = None, give_up_after: float | None = None) -> None:
        self.subscriptions = Subscriptions()
        self.subscriptions.add([SPOT])
        self.service = service or Service(GivenToken(token))
        feed = Feed(self.service, self.subscriptions, ticket=False, give_up_after=give_up_after)
        self.steps = Steps(feed.listen())
        self.now = 0.0
        self.sent: list[dict[str, Any]] = []
        self.offered: list[tuple[str, ...]] = []
        self.paused: list[float] = []
        self.hung = 0

    def run(self, heard: Iterator[Any]) -> list[Event]:
        """Messages as dicts; a number is silence; an exception is the connection's. Ends when all are heard."""
        events: list[Event] = []
        while True:
            effect = self.steps.next()
            match effect:
                case Emit(event):
                    events.append(event)
                case Now():
                    self.steps.outcome = self.now
                case Pause(seconds):
                    self.paused.append(seconds)
                    self.now += seconds
                case Connect():
                    self.offered.append(effect.subprotocols)
                case SendText(text):
                    self.sent.append(json.loads(text))
                case Hang():
                    self.hung += 1
                case Call(function):
                    self.steps.outcome = function()
                case Receive(seconds):
                    said = next(heard, None)
                    if said is None:
                        return events
                    if isinstance(said, Exception):
                        self.steps.failure = said
                    elif isinstance(said, float):
                        self.now += min(said, seconds)
                    else:
                        self.steps.outcome = json.dumps(said)


class TestListening:
    def test_after_a_restart_it_waits_as_long_as_it_is_asked_and_resumes(self) -> None:
        feed = Listening()
        closing = {"type": "closing", "code": 1001, "reconnect_after_ms": 2500}
        heard = [WELCOME, update(SPOT, "7-0", 1), closing, SocketClosed(1001, "restart"), WELCOME]
        events = feed.run(iter(heard))
        assert events == [
            Connected(resumed=False),
            Update(SPOT, "7-0", None, 1),
            Disconnected("1001 restart", 2.5),
            Connected(resumed=True),
        ]
        assert feed.paused == [2.5] and feed.hung == 1
        assert [each.get("resume_from") for each in feed.sent] == [None, {SPOT: "7-0"}]
        assert feed.offered == [("signals", "bearer.t")] * 2

    def test_pauses_grow_by_chance_up_to_half_a_minute_and_a_welcome_starts_them_anew(self) -> None:
        feed = Listening()
        feed.run(iter([SocketClosed(None, "")] * 12))
        assert all(0.25 * 2**n <= pause <= 0.25 * 2 ** (n + 1) for n, pause in enumerate(feed.paused[:6]))
        assert all(15 <= pause <= 30 for pause in feed.paused[7:]) and len(set(feed.paused)) == 12
        feed.paused.clear()
        feed.run(iter([WELCOME, SocketClosed(1011, "")]))
        assert feed.paused[0] <= 0.5

    @pytest.mark.parametrize("code", [1009, 4003, 4004, 4008, 4010])
    def test_ends_that_another_connection_would_meet_too_are_raised(self, code: int) -> None:
        with pytest.raises(FeedEnded, match=f"{code} why") as error:
            Listening().run(iter([WELCOME, SocketClosed(code, "why")]))
        assert error.value.code == code

    def test_a_token_that_is_refused_is_replaced_once(self) -> None:
        tokens = iter(["old", "new", "newer"])
        feed = Listening(token=lambda: next(tokens))
        refused = SocketClosed(4001, "expired")
        events = feed.run(iter([refused, WELCOME]))
        assert [type(event) for event in events] == [Disconnected, Connected]
        assert feed.offered == [("signals", "bearer.old"), ("signals", "bearer.new")]
        with pytest.raises(FeedEnded):
            feed.run(iter([refused, refused]))

    def test_silence_is_measured_by_heartbeats(self) -> None:
        feed = Listening()
        beat = {"type": "heartbeat", "at": 1, "sent": 0, "conflated": 0, "dropped": 0, "lag_ms": None}
        events = feed.run(iter([WELCOME, 24.0, beat, 24.0, 30.0]))
        assert isinstance(events[-1], Disconnected) and events[-1].reason == "connection lost silent for 25 s"
        assert feed.now - sum(feed.paused) == 24 + 25

    def test_it_gives_up_after_so_long_without_a_connection(self) -> None:
        feed = Listening(give_up_after=60)
        with pytest.raises(ServiceUnreachable, match="no connection for"):
            feed.run(iter([WELCOME, *[SocketClosed(None, "")] * 100]))
        assert 30 < feed.now <= 60

    def test_a_fresh_token_is_shown_before_the_old_one_expires(self, made: list[str], fresh: Callable[[], str]) -> None:
        feed = Listening(token=fresh)
        feed.run(iter([WELCOME, *[20.0, {"type": "pong"}] * 5]))
        shown = [each for each in feed.sent if each["type"] == "auth"]
        assert shown == [{"type": "auth", "token": made[1]}] and len(made) == 2

    def test_each_feed_of_a_client_shows_it(self, made: list[str], fresh: Callable[[], str]) -> None:
        feed = Listening(token=fresh)
        later = Listening(service=feed.service)
        feed.run(iter([WELCOME]))
        later.now = 60.0  # it begins with the token that the first one had
        later.run(iter([WELCOME]))
        feed.run(iter([20.0, {"type": "pong"}] * 5))
        later.run(iter([20.0, {"type": "pong"}] * 2))
        for each in (feed, later):
            assert [said for said in each.sent if said["type"] == "auth"] == [{"type": "auth", "token": made[1]}]
        assert len(made) == 2

    def test_what_storage_could_not_serve_is_asked_again(self) -> None:
        feed = Listening()
        items = [{"topic": SPOT, "ok": False, "code": "unavailable", "detail": ""}]
        ack = {"type": "ack", "id": 2, "request": "subscribe", "items": items}
        feed.run(iter([WELCOME, ack, 5.0, {"type": "pong"}]))
        assert [each["topics"] for each in feed.sent] == [[SPOT], [SPOT]] and feed.now == 2.0


class TestArrow:
    def stream(self, rows: int = 10, batches: int = 3) -> tuple[bytes, pa.Table]:
        table = pa.table({"n": list(range(rows)), "text": [f"é{n}" if n % 3 else None for n in range(rows)]})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=max(1, rows // batches))
        return sink.getvalue().to_pybytes(), table

    @settings(deadline=None)
    @given(st.lists(st.integers(1, 400), max_size=30))
    def test_parts_of_any_size_give_the_same_rows(self, sizes: list[int]) -> None:
        data, table = self.stream()
        decoder, batches, start = ArrowDecoder(), [], 0
        for size in [*sizes, len(data)]:
            batches += decoder.feed(data[start : start + size])
            start += size
        decoder.end()
        assert pa.Table.from_batches(batches, decoder.schema).equals(table)

    def test_a_stream_that_breaks_off_anywhere_is_no_whole_one(self) -> None:
        data, _ = self.stream(4, 2)
        for end in range(len(data) - 1):
            decoder = ArrowDecoder()
            decoder.feed(data[:end])
            with pytest.raises(BrokenStream):
                decoder.end()

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_what_is_no_stream_is_said_to_be_none(self, data: bytes) -> None:
        decoder = ArrowDecoder()
        with pytest.raises((BrokenStream, pa.ArrowInvalid, OSError)):
            decoder.feed(data)
            decoder.end()

    def test_each_batch_is_given_before_more_is_read(self) -> None:
        data, table = self.stream()
        steps = Steps(iter_batches(Service(GivenToken("t")), Job.of(DONE)))
        parts, read, given = iter([data[n : n + 64] for n in range(0, len(data), 64)]), 0, []
        while (effect := steps.next()) is not None:
            match effect:
                case Open():
                    steps.outcome = Reply(200, "OK", {}, b"", "stream")
                case Read("stream"):
                    steps.outcome = next(parts, b"")
                    read += len(steps.outcome)
                case Emit(batch):
                    given.append((batch.num_rows, read))
                case Now():
                    steps.outcome = 0.0
        assert sum(rows for rows, _ in given) == table.num_rows
        positions = [read for _, read in given]
        assert positions == sorted(set(positions)) and positions[0] < len(data) / 2

    def test_no_rows_have_columns_still(self) -> None:
        data, table = self.stream(0)
        decoder = ArrowDecoder()
        assert decoder.feed(data) == [] and decoder.schema == table.schema


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("30:01.5Z", 500000), ("30:01Z", 0), ("30:01.123456+00:00", 123456), ("30:01.1234567Z", 123456)],
)
def test_instants_are_read_as_python_3_10_cannot(text: str, microsecond: int) -> None:
    read = instant(f"2026-03-02T05:{text}")
    assert (read.hour, read.second, read.microsecond, read.utcoffset()) == (5, 1, microsecond, read.utcoffset())
    assert read.tzinfo is not None


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.e30.c", "a.bnVsbA.c", "é.é.é"])
def test_a_token_that_is_no_jwt_has_no_known_life(token: str) -> None:
    assert lifetime(token) is None
