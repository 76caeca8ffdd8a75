"""Resuming: a client that comes back gets what it missed, or learns that there is a gap."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.sockets import Socket, Web, publish, running_web


@pytest.fixture(scope="module")
def web(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(
        tmp_path_factory.mktemp("sockets") / "web.log",
        WEBSOCKET_HEARTBEAT_INTERVAL="0.5",
        WEBSOCKET_RESUME_LIMIT="300",
    ) as served:
        yield served


@pytest.fixture
def underlying() -> str:
    return f"SIM@F{time.time_ns()}"


def resume(socket: Socket, since: str | dict[str, str], *topics: str) -> None:
    assert all(item["ok"] for item in socket.subscribe(*topics, resume_from=since)["items"])


def test_whoever_comes_back_gets_what_was_missed_and_goes_on(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    published = [publish(underlying, equity_spot=n) for n in range(10)]
    publish(underlying, equity_futures=1)
    with web.connect() as socket:
        resume(socket, published[3], topic)
        assert [socket.next("update")["seq"] for _ in range(6)] == published[4:]
        published.append(publish(underlying, equity_spot=10))
        update = socket.next("update")
        assert (update["seq"], update["prev"]) == (published[10], published[9])
        socket.quiet()
    with web.connect() as socket:  # nothing missed
        resume(socket, {topic: published[10]}, topic)
        socket.quiet()
    with web.connect() as socket:
        resume(socket, published[8], f"{underlying}@equity_options@2026-12-29@*", topic)
        first, second = socket.next("update"), socket.next("update")
        assert (first["prev"], first["seq"], second["prev"]) == (published[8], published[9], published[9])


def test_while_states_keep_coming_a_resumed_chain_has_no_gap_and_no_double(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    published = [publish(underlying, equity_spot=0)]
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(0.001):
            published.append(publish(underlying, equity_spot=len(published)))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        seen = published[0]
        for _ in range(10):
            with web.connect() as socket:
                resume(socket, seen, topic)
                for _ in range(40):
                    update = socket.next("update")
                    assert update["prev"] == seen
                    seen = update["seq"]
    finally:
        stop.set()
        thread.join()
    assert published.index(seen) == 400


def test_what_the_stream_no_longer_has_is_a_gap_and_a_snapshot(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    published = [publish(underlying, maxlen=5, equity_spot=n) for n in range(20)]
    with web.connect() as socket:
        resume(socket, published[2], topic)
        assert socket.next("gap") == {"type": "gap", "topic": topic, "reason": "trimmed", "since": published[2]}
        assert socket.next("snapshot")["seq"] == published[-1]
        resume(socket, "99999999999999-0", topic)
        assert socket.next("gap")["reason"] == "reset"
        assert socket.next("snapshot")["seq"] == published[-1]
        socket.quiet()


def test_more_than_is_sent_again_is_a_gap(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    published = [publish(underlying, equity_spot=n) for n in range(700)]
    with web.connect() as socket:
        resume(socket, published[0], topic)
        message = socket.next()
        while message["type"] == "update":
            message = socket.next()
        assert (message["type"], message["reason"]) == ("gap", "too_far")
        assert socket.next("snapshot")["seq"] == published[-1]


def test_a_restart_closes_with_a_hint_and_whoever_comes_back_resumes(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    seen = publish(underlying, equity_spot=1)
    with web.connect() as socket, web.connect() as other, web.connect(user=None, welcome=False):
        socket.subscribe(topic)
        assert socket.next("snapshot")["seq"] == seen
        ended = threading.Thread(target=web.stop)
        begun = time.monotonic()
        ended.start()
        closing = socket.next("closing")
        assert closing["code"] == 1001 and 500 <= closing["reconnect_after_ms"] <= 8500
        assert (socket.closed(), other.closed()) == (1001, 1001)
        ended.join()
        assert time.monotonic() - begun < 5
    missed = [publish(underlying, equity_spot=n) for n in (2, 3)]
    web.start()
    with web.connect() as socket:
        resume(socket, seen, topic)
        assert [socket.next("update")["seq"] for _ in missed] == missed
        published = publish(underlying, equity_spot=4)
        assert (update := socket.next("update"))["seq"] == published and update["prev"] == missed[-1]
    with web.connect() as socket:
        socket.subscribe(topic)
        assert socket.next("snapshot")["data"] == 4
