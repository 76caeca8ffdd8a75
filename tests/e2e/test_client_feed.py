"""The client's feeds against the real web process: subscribe, lose the connection, resume without loss."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batch.client import (
    AsyncClient,
    Client,
    Connected,
    Disconnected,
    Event,
    FeedEnded,
    Gap,
    Refused,
    ServiceUnreachable,
    Snapshot,
    Update,
)
from tests.e2e.cut_wires import Wire, wire_to
from tests.e2e.sockets import Web, publish, publish_topics, redis_client, running_web, token

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def web(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    log = tmp_path_factory.mktemp("feeds") / "web.log"
    with running_web(log, WEBSOCKET_HEARTBEAT_INTERVAL="0.5", WEBSOCKET_AUTH_SECONDS="0.5") as served:
        yield served


@pytest.fixture
def wire(web: Web) -> Iterator[Wire]:
    with wire_to(web.port) as wire:
        yield wire


@pytest.fixture
def client(wire: Wire) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{wire.port}", token=lambda: token()) as client:
        yield client


@pytest.fixture
def underlying() -> str:
    """One that no other test talks of."""
    return f"SIM@C{time.time_ns()}{next(_numbers)}"


def until(feed: Any, wanted: Callable[[Event], bool], seconds: float = 10) -> list[Event]:
    """The events up to the first that is wanted."""
    deadline, events = time.monotonic() + seconds, []
    while not events or not wanted(events[-1]):
        events.append(feed.next(timeout=deadline - time.monotonic()))
    return events


def states(events: list[Event]) -> list[Any]:
    return [each.data for each in events if isinstance(each, Update | Snapshot)]


def test_a_feed_gives_the_newest_state_and_then_each_update(client: Client, underlying: str) -> None:
    first = publish(underlying, equity_spot={"n": 0})
    topic = f"{underlying}@equity_spot"
    with client.feed(topic) as feed:
        connected, snapshot = until(feed, lambda event: isinstance(event, Snapshot))
        assert connected == Connected(resumed=False) and snapshot == Snapshot(topic, first, {"n": 0})
        seqs = [first, *(publish(underlying, equity_spot={"n": n}) for n in range(1, 50))]
        events = until(feed, lambda event: isinstance(event, Update) and event.seq == seqs[-1])
        updates = [each for each in events if isinstance(each, Update)]
        assert [each.seq for each in updates] == seqs[1:] and [each.prev for each in updates] == seqs[:-1]
        assert feed.resume_points() == {topic: seqs[-1]}


def test_a_cut_connection_is_resumed_without_loss_or_repetition(client: Client, wire: Wire, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})
    with client.feed(topic) as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        publishing = threading.Thread(target=lambda: [_publish_slowly(underlying, n) for n in range(1, 301)])
        publishing.start()
        events: list[Event] = []
        for last in (60, 140, 300):
            events += until(feed, lambda event: isinstance(event, Update) and event.data["n"] >= last)  # noqa: B023
            wire.cut()
        publishing.join()
    assert [state["n"] for state in states(events)] == list(range(1, 301))
    assert sum(isinstance(each, Disconnected) for each in events) == 2
    assert [each.resumed for each in events if isinstance(each, Connected)] == [True, True]
    assert not [each for each in events if isinstance(each, Gap)]


def test_a_replay_asked_for_amid_the_stream_is_complete(client: Client, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})
    with client.feed(topic) as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        publishing = threading.Thread(target=lambda: [_publish_slowly(underlying, n) for n in range(1, 301)])
        publishing.start()
        for last in (60, 120):
            events = until(feed, lambda event: isinstance(event, Update) and event.data["n"] >= last)  # noqa: B023
            first = next(event for event in events if isinstance(event, Update))
            feed.subscribe(topic, resume_from=first.seq)
            again = until(feed, lambda event: isinstance(event, Update) and event.data["n"] >= last + 20)  # noqa: B023
            assert [state["n"] for state in states(again)] == list(range(first.data["n"] + 1, last + 21))
        publishing.join()


def _publish_slowly(underlying: str, number: int) -> None:
    publish(underlying, equity_spot={"n": number})
    time.sleep(0.005)


def test_a_wildcard_is_resumed_without_loss_or_repetition(client: Client, wire: Wire, underlying: str) -> None:
    chain = f"{underlying}@equity_options@2026-12-29@"
    publish_topics(underlying, {f"{chain}call@100": 0, f"{chain}put@100": 0})
    with client.feed(f"{chain}*") as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        for number in (1, 2):
            publish_topics(underlying, {f"{chain}call@100": number, f"{chain}put@100": number})
        events = until(feed, lambda event: isinstance(event, Update) and event.data == 2)
        wire.cut()
        for number in (3, 4):
            publish_topics(
                underlying, {f"{chain}call@100": number, f"{chain}put@100": number, f"{chain}call@105": number}
            )
        missing = {f"{chain}call@100", f"{chain}put@100", f"{chain}call@105"}
        while missing:
            events.append(feed.next(timeout=10))
            if isinstance(events[-1], Update) and events[-1].data == 4:
                missing.discard(events[-1].topic)
    for topic, numbers in (("call@100", [1, 2, 3, 4]), ("put@100", [1, 2, 3, 4]), ("call@105", [3, 4])):
        assert [e.data for e in events if isinstance(e, Update) and e.topic == chain + topic] == numbers


def test_a_restarted_program_resumes_where_it_was(client: Client, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})
    with client.feed(topic) as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        kept = feed.resume_points()
    seqs = [publish(underlying, equity_spot={"n": n}) for n in (1, 2, 3)]
    with client.feed(topic, resume_from=kept) as feed:
        assert states(until(feed, lambda event: isinstance(event, Update) and event.seq == seqs[-1])) == [
            {"n": 1},
            {"n": 2},
            {"n": 3},
        ]


def test_a_gap_that_cannot_be_closed_is_stated_and_the_newest_state_follows(
    client: Client, wire: Wire, underlying: str
) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})
    with client.feed(topic) as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        wire.cut()
        for number in range(1, 6):
            publish(underlying, maxlen=2, equity_spot={"n": number})
        events = until(feed, lambda event: isinstance(event, Snapshot))
        gap = next(each for each in events if isinstance(each, Gap))
        assert (gap.topic, gap.reason, states(events)) == (topic, "trimmed", [{"n": 5}])
        publish(underlying, equity_spot={"n": 6})
        assert states(until(feed, lambda event: isinstance(event, Update))) == [{"n": 6}]


def test_a_silent_connection_is_given_up_and_resumed(client: Client, wire: Wire, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})
    with client.feed(topic) as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        wire.hung = True
        publish(underlying, equity_spot={"n": 1})
        lost = until(feed, lambda event: isinstance(event, Disconnected))[-1]
        assert isinstance(lost, Disconnected) and "silent" in lost.reason
        wire.hung = False
        assert states(until(feed, lambda event: isinstance(event, Update))) == [{"n": 1}]


def test_subscriptions_come_and_go_while_it_runs_and_wrong_ones_are_named(client: Client, underlying: str) -> None:
    spot, future = f"{underlying}@equity_spot", f"{underlying}@equity_futures@2026-12-29"
    publish_topics(underlying, {spot: 1, future: 2})
    with client.feed(spot, "nonsense") as feed:
        refused = until(feed, lambda event: isinstance(event, Refused))[-1]
        assert isinstance(refused, Refused) and (refused.topic, refused.code) == ("nonsense", "unknown_topic")
        feed.subscribe(future, cadence="100ms")
        assert until(feed, lambda event: isinstance(event, Snapshot) and event.topic == future)
        feed.unsubscribe(spot)
        publish_topics(underlying, {spot: 3})
        publish_topics(underlying, {future: 4})
        assert states(until(feed, lambda event: isinstance(event, Update))) == [4]
        assert set(feed.resume_points()) == {future}


def test_next_waits_as_long_as_it_is_publishing_and_loses_nothing(client: Client, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    with client.feed(topic) as feed:
        assert until(feed, lambda event: isinstance(event, Snapshot))
        with pytest.raises(TimeoutError, match=r"no event in 0\.05 s"):
            while True:  # heartbeats are events too
                feed.next(timeout=0.05)
        publish(underlying, equity_spot={"n": 1})
        assert states(until(feed, lambda event: isinstance(event, Update))) == [{"n": 1}]


def test_another_thread_closes_a_feed(client: Client, underlying: str) -> None:
    with client.feed(f"{underlying}@equity_spot") as feed:
        until(feed, lambda event: isinstance(event, Snapshot))
        threading.Timer(0.2, feed.close).start()
        assert not [each for each in feed if isinstance(each, Update)]
        with pytest.raises(ValueError, match="closed"):
            feed.next()


def test_a_token_that_is_not_accepted_ends_the_feed(wire: Wire) -> None:
    with (
        Client(f"http://127.0.0.1:{wire.port}", token="nonsense") as client,
        client.feed("NSE@NIFTY@equity_spot") as feed,
        pytest.raises(FeedEnded, match="4001"),
    ):
        until(feed, lambda event: False)


def test_a_token_that_expires_is_replaced_on_the_open_socket(wire: Wire, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    made: list[float] = []

    def short() -> str:
        made.append(time.monotonic())
        now = int(time.time())
        return token(iat=now, exp=now + 3)

    with Client(f"http://127.0.0.1:{wire.port}", token=short) as client, client.feed(topic) as feed:
        begun = time.monotonic()
        while time.monotonic() - begun < 6:
            event = feed.next(timeout=5)
            assert not isinstance(event, Disconnected), event
    assert len(made) >= 3 and wire.connections == 1


def test_a_service_that_stays_away_is_given_up(web: Web, underlying: str) -> None:
    with wire_to(1) as nowhere, Client(f"http://127.0.0.1:{nowhere.port}", token=token()) as client:
        begun = time.monotonic()
        with client.feed(f"{underlying}@equity_spot", give_up_after=1.0) as feed, pytest.raises(ServiceUnreachable):
            until(feed, lambda event: False, 5)
        assert time.monotonic() - begun < 3


def test_the_asynchronous_feed_resumes_without_loss(wire: Wire, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})

    async def listen() -> list[Event]:
        events: list[Event] = []
        async with (
            AsyncClient(f"http://127.0.0.1:{wire.port}", token=lambda: token()) as client,
            client.feed() as feed,
        ):
            await feed.subscribe(topic)
            while not (events and isinstance(events[-1], Snapshot)):
                events.append(await feed.next(timeout=5))
            publishing = asyncio.create_task(
                asyncio.to_thread(lambda: [_publish_slowly(underlying, n) for n in range(1, 201)])
            )
            while len(states(events)) < 201:
                try:
                    events.append(await feed.next(timeout=0.02))  # many of these are cancelled: nothing is lost
                except TimeoutError:
                    continue
                if isinstance(events[-1], Update) and events[-1].data["n"] in (50, 120):
                    await asyncio.to_thread(wire.cut)
            await publishing
        with pytest.raises(StopAsyncIteration):
            await anext(feed)
        return events

    events = asyncio.run(listen())
    assert [state["n"] for state in states(events)] == list(range(201))
    assert sum(isinstance(each, Disconnected) for each in events) == 2


def test_a_restarted_web_process_is_found_again(tmp_path_factory: pytest.TempPathFactory, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 0})
    with (
        running_web(tmp_path_factory.mktemp("restart") / "web.log") as web,
        Client(f"http://127.0.0.1:{web.port}", token=token()) as client,
        client.feed(topic) as feed,
    ):
        until(feed, lambda event: isinstance(event, Snapshot))
        web.stop()
        publish(underlying, equity_spot={"n": 1})
        web.start()
        events = until(feed, lambda event: isinstance(event, Update), 40)
        lost = next(each for each in events if isinstance(each, Disconnected))
        assert lost.reason.startswith("1001") and states(events) == [{"n": 1}]


def test_storage_that_does_not_answer_only_delays_a_subscription(client: Client, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    publish(underlying, equity_spot={"n": 1})
    with client.feed() as feed:
        until(feed, lambda event: isinstance(event, Connected))
        with redis_client() as redis:
            redis.client_pause(6000)
        feed.subscribe(topic)
        assert states(until(feed, lambda event: isinstance(event, Snapshot), 30)) == [{"n": 1}]
