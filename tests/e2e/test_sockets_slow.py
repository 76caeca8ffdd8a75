"""Slow readers get fresh states, although the buffers of kernel and client could hold minutes of them."""

import contextlib
import json
import socket as sockets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.socket_clients import masked, upgrade
from tests.e2e.sockets import V2, Socket, Web, redis_client, running_web, token

EXPIRIES = ("2026-12-29", "2027-01-26", "2027-02-23")
READ_SECONDS = 6.0


@pytest.fixture(scope="module")
def web(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    log = tmp_path_factory.mktemp("sockets") / "web.log"
    with running_web(log, WEBSOCKET_HEARTBEAT_INTERVAL="0.5") as served:
        yield served


@pytest.fixture
def chains() -> list[str]:
    underlying = f"SIM@S{time.time_ns()}"
    return [f"{underlying}@equity_options@{expiry}@" for expiry in EXPIRIES]


@contextlib.contextmanager
def busy(chains: list[str]) -> Iterator[None]:
    """Sixty options of each chain, each published five times a second in small entries: 900 states a second."""
    underlying = chains[0].partition("@equity_options")[0]
    topics = [f"{chain}{right}@{strike}" for strike in range(100, 130) for right in ("call", "put") for chain in chains]
    stop = threading.Event()

    def publish() -> None:
        begun, number = time.monotonic(), 0
        with redis_client() as client:
            while not stop.wait(max(0.0, begun + number * 0.02 - time.monotonic())):
                state = json.dumps({"n": number})
                mine = topics[number % 10 :: 10]
                client.xadd(f"signal_output_stream:{underlying}", dict.fromkeys(mine, state), maxlen=1000)
                number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def age(message: dict[str, Any]) -> float:
    return time.time() - int(message["seq"].partition("-")[0]) / 1000


def ages_read(socket: Socket, seconds_each: float, seconds: float = READ_SECONDS) -> list[float]:
    """Return the age of each update when the client gets it."""
    found, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        message = socket.next(timeout=10)
        if message["type"] == "update":
            found.append(age(message))
        time.sleep(seconds_each)
    return found


def test_a_slow_reader_gets_fewer_and_newer_states_and_nobody_else_is_harmed(web: Web, chains: list[str]) -> None:
    conflated = web.metric("signal_websocket_conflated_total")
    with busy(chains), web.connect() as slow, web.connect() as brisk:
        for each in (slow, brisk):
            assert all(item["ok"] for item in each.subscribe(*(f"{chain}*" for chain in chains))["items"])
        quick: list[float] = []
        reading = threading.Thread(target=lambda: quick.extend(ages_read(brisk, 0.0)))
        reading.start()
        ages = ages_read(slow, 0.05)
        reading.join()
        assert len(ages) > READ_SECONDS / 0.05 / 2, "the socket was held more than its reader was slow"
        assert max(ages) <= 2.0
        assert slow.beats[-1]["conflated"] > 1000 and slow.beats[-1]["dropped"] == 0
        assert web.metric("signal_websocket_conflated_total") - conflated > 1000
        assert len(quick) > 700 * READ_SECONDS
        assert sorted(quick)[int(len(quick) * 0.99)] < 0.5
        slow.send(type="ping", id="still heard")
        while (message := slow.next())["type"] != "pong":
            assert message["type"] == "update"


def test_a_page_that_lags_behind_its_pongs_says_how_far_it_has_come(web: Web, chains: list[str]) -> None:
    """Like a browser: it answers pings at once, and queues messages without limit until the page handles them."""
    with busy(chains), web.connect(max_queue=None) as page, web.connect(max_queue=None) as silent:
        page.send(type="ack", n=1)
        for each in (page, silent):
            each.subscribe(*(f"{chain}*" for chain in chains))
        handled = 2  # the welcome and the ack
        ages: list[float] = []
        until = time.monotonic() + READ_SECONDS
        while time.monotonic() < until:
            message = json.loads(page.connection.recv(10))
            handled += 1
            if message["type"] == "update":
                ages.append(age(message))
            time.sleep(0.05)
            page.send(type="ack", n=handled)
        assert len(ages) > READ_SECONDS / 0.05 / 2
        assert max(ages) <= 2.0
        assert max(ages_read(silent, 0.0, seconds=0.3)) > 2.0, "without ack a page is behind, as the docs say"


def test_more_than_was_sent_cannot_be_acknowledged(web: Web) -> None:
    with web.connect() as socket:
        socket.send(type="ack", n=10_000, id="a")
        assert socket.next("error") == {
            "type": "error", "id": "a", "code": "invalid_message", "detail": "n: not so many messages were sent"
        }  # fmt: skip
        socket.send(type="ack", n=1)
        socket.quiet()


def test_whoever_never_reads_is_ended_by_the_keepalive(tmp_path: Path, chains: list[str]) -> None:
    def ended(web: Web) -> bool:
        deadline = time.monotonic() + 10
        while web.metric("signal_websocket_connections"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    with running_web(tmp_path / "web.log", "--ws-ping-interval", "1", "--ws-ping-timeout", "1") as web:
        with busy(chains), sockets.socket() as reader, web.connect() as brisk:
            reader.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", web.port))
            reader.sendall(upgrade(web.port, V2, token()))
            wanted = {"type": "subscribe", "topics": [f"{chain}*" for chain in chains]}
            reader.sendall(masked(json.dumps(wanted).encode()))
            brisk.subscribe(*(f"{chain}*" for chain in chains))
            assert max(ages_read(brisk, 0.0, seconds=4)) < 1.0
            assert web.metric("signal_websocket_connections") == 1, "only the one that reads is left"
        assert ended(web)
