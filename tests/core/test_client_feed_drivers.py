"""Both feeds over real sockets: a scripted server on loopback speaks, falls silent and hangs up."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from batch.client import (
    ApiError,
    AsyncClient,
    Client,
    Connected,
    Disconnected,
    Event,
    FeedEnded,
    ServiceUnreachable,
    Update,
)

SPOT = "NSE@NIFTY@equity_spot"
WELCOME = {"type": "welcome", "client_id": "c", "heartbeat_seconds": 30, "max_subscriptions": 9, "cadences": []}


class Publisher:
    """Sends updates 1, 2, ... from where a connection resumes, and hangs up after each `per_connection`."""

    def __init__(self, per_connection: int = 5, last: int = 20, code: int | None = None) -> None:
        self.per_connection, self.last, self.code = per_connection, last, code
        self.heard: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.server = serve(self.speak, "127.0.0.1", 0, select_subprotocol=lambda connection, offered: offered[0])
        self.address = f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def speak(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.tokens.append(connection.request.headers["Sec-WebSocket-Protocol"])
        connection.send(json.dumps(WELCOME))
        try:
            message = json.loads(connection.recv(5))
            self.heard.append(message)
            start = max((int(seq.partition("-")[0]) for seq in message.get("resume_from", {}).values()), default=0)
            for number in range(start + 1, min(start + self.per_connection, self.last) + 1):
                state = {"topic": SPOT, "seq": f"{number}-0", "prev": f"{number - 1}-0", "data": number}
                connection.send(json.dumps({"type": "update", **state}))
            if self.code is not None:
                connection.close(self.code, "as scripted")
            elif start + self.per_connection < self.last:
                connection.socket.shutdown(2)
            else:
                connection.recv(20)
        except ConnectionClosed:
            return


@pytest.fixture
def publish() -> Iterator[Callable[..., Publisher]]:
    running: list[tuple[Publisher, threading.Thread]] = []

    def start(**options: Any) -> Publisher:
        publisher = Publisher(**options)
        thread = threading.Thread(target=publisher.server.serve_forever)
        thread.start()
        running.append((publisher, thread))
        return publisher

    yield start
    for publisher, thread in running:
        publisher.server.shutdown()
        thread.join(5)


def with_threads(publisher: Publisher, enough: Callable[[list[Event]], bool], **options: Any) -> list[Event]:
    events: list[Event] = []
    with Client(publisher.address, token="t") as client, client.feed(SPOT, **options) as feed:
        while not enough(events):
            events.append(feed.next(timeout=10))
    return events


def on_a_loop(publisher: Publisher, enough: Callable[[list[Event]], bool], **options: Any) -> list[Event]:
    async def main() -> list[Event]:
        events: list[Event] = []
        async with AsyncClient(publisher.address, token="t") as client, client.feed(SPOT, **options) as feed:
            while not enough(events):
                events.append(await feed.next(timeout=10))
        return events

    return asyncio.run(main())


both = pytest.mark.parametrize("listen", [with_threads, on_a_loop])
Listen = Callable[..., list[Event]]


@both
def test_connections_that_are_cut_lose_and_repeat_nothing(publish: Callable[..., Publisher], listen: Listen) -> None:
    publisher = publish(per_connection=5, last=20)
    events = listen(publisher, lambda events: bool(events) and getattr(events[-1], "data", 0) == 20)
    assert [each.data for each in events if isinstance(each, Update)] == list(range(1, 21))
    assert [each.get("resume_from") for each in publisher.heard] == [None, *({SPOT: f"{n}-0"} for n in (5, 10, 15))]
    assert set(publisher.tokens) == {"signals, bearer.t"}
    kinds = [type(each) for each in events if not isinstance(each, Update)]
    assert kinds == [Connected, Disconnected, Connected, Disconnected, Connected, Disconnected, Connected]


@both
def test_an_end_that_is_final_is_raised(publish: Callable[..., Publisher], listen: Listen) -> None:
    with pytest.raises(FeedEnded, match="4004 as scripted") as error:
        listen(publish(code=4004), lambda events: False)
    assert error.value.code == 4004


@both
def test_a_service_that_is_away_is_given_up_in_time(publish: Callable[..., Publisher], listen: Listen) -> None:
    publisher = publish()
    publisher.server.shutdown()
    begun = time.monotonic()
    with pytest.raises(ServiceUnreachable, match="no connection for"):
        listen(publisher, lambda events: False, give_up_after=1.0)
    assert time.monotonic() - begun < 5


@both
def test_another_service_at_the_address_is_refused_by_its_answer(listen: Listen) -> None:
    from tests.core.scripted_network import Network

    network = Network()
    network.script = [(404, {}, {"title": "Not Found", "detail": "nothing is here"})]
    thread = threading.Thread(target=network.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with pytest.raises(ApiError, match="404"):
            listen(network, lambda events: False)
    finally:
        network.server.shutdown()
        thread.join()
        network.server.server_close()


def test_a_cancelled_wait_loses_no_event(publish: Callable[..., Publisher]) -> None:
    publisher = publish(per_connection=1, last=8)

    async def main() -> list[int]:
        got: list[int] = []
        async with AsyncClient(publisher.address, token="t") as client, client.feed(SPOT) as feed:
            for _ in itertools.count():
                try:
                    event = await feed.next(timeout=0.003)
                except TimeoutError:
                    continue
                if isinstance(event, Update):
                    got.append(event.data)
                if got and got[-1] == 8:
                    return got
        raise AssertionError

    assert asyncio.run(main()) == list(range(1, 9))


def test_another_thread_closes_a_feed_that_waits(publish: Callable[..., Publisher]) -> None:
    publisher = publish(per_connection=3, last=3)
    with Client(publisher.address, token="t") as client, client.feed(SPOT) as feed:
        timer = threading.Timer(0.3, feed.close)
        timer.start()
        events = list(feed)
        timer.join()
        assert [each.data for each in events if isinstance(each, Update)] == [1, 2, 3]
        with pytest.raises(ValueError, match="the feed is closed"):
            feed.next()
