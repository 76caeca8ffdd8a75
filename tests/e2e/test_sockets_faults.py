"""Sockets when something fails: slow readers, a stalled process, Redis restarted or away, streams emptied."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import redis

from realtime.core.entry_ids import parse_id
from tests.e2e.sockets import Socket, Web, publish, publish_topics, redis_client, running_web
from tests.e2e.valkey import kill_valkey, valkey_pids


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


def until_seq(socket: Socket, topic: str, seq: str) -> None:
    while True:
        message = socket.next()  # others are snapshots, and the gap of the silenced topic
        if message["type"] == "update" and message["topic"] == topic:
            assert message["seq"] == seq
            return


def publish_when_back(underlying: str, state: object) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            return publish(underlying, equity_spot=state)
        except (redis.ConnectionError, redis.TimeoutError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_reader_that_stops_harms_nobody_and_costs_little(web: Web, underlying: str) -> None:
    """It subscribes to more than the kernel buffers. The latency of another socket is measured meanwhile."""
    chain = f"{underlying}@equity_options@2026-12-29@"
    process = psutil.Process(web.process.pid) if web.process else None
    assert process is not None
    with web.connect() as slow, web.connect() as brisk:
        slow.subscribe(f"{chain}*")
        brisk.subscribe(f"{underlying}@equity_spot")
        brisk.next("snapshot")
        body = "x" * 20_000
        before = process.memory_info().rss
        taken = []
        for number in range(400):
            states = {f"{chain}call@{strike}": body for strike in range(1, 21)}
            publish_topics(underlying, states, maxlen=10)
            begun = time.monotonic()
            publish(underlying, maxlen=10, equity_spot=number)
            assert brisk.next("update")["data"] == number
            taken.append(time.monotonic() - begun)
        grew = process.memory_info().rss - before
        assert sorted(taken)[int(len(taken) * 0.99)] < 0.25
        assert grew < 60e6, f"{400 * 20 * 20_000 / 1e6:.0f} MB were published, {grew / 1e6:.0f} MB kept"
        latest = {}
        deadline = time.monotonic() + 20
        last = publish_topics(underlying, {f"{chain}call@{strike}": "end" for strike in range(1, 21)})
        while set(latest.values()) != {last} and time.monotonic() < deadline:
            message = slow.next("update")
            latest[message["topic"]] = message["seq"]
        assert set(latest.values()) == {last} and len(latest) == 20
        slow.next("heartbeat")  # written while it was slow
        slow.next("heartbeat")
        beat = slow.next("heartbeat")
        assert beat["conflated"] > 1000 and beat["dropped"] == 0
        assert beat["sent"] + beat["conflated"] == 401 * 20


def test_a_process_that_stood_still_while_its_stream_was_trimmed_says_so(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    assert web.process is not None
    with web.connect() as socket:
        seen = publish(underlying, equity_spot=0)
        socket.subscribe(topic)
        socket.next("snapshot")
        web.process.send_signal(signal.SIGSTOP)
        try:
            published = [publish(underlying, maxlen=5, equity_spot=n) for n in range(1, 50)]
            time.sleep(1.2)
        finally:
            web.process.send_signal(signal.SIGCONT)
        assert socket.next("gap") == {"type": "gap", "topic": topic, "reason": "trimmed", "since": seen}
        assert socket.next("snapshot")["seq"] == published[-1]
        published.append(publish(underlying, equity_spot=50))
        assert socket.next("update")["prev"] == published[-2]


def test_redis_dies_and_comes_back_with_its_data(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    with web.connect() as socket:
        before = publish(underlying, equity_spot=1)
        socket.subscribe(topic)
        assert socket.next("snapshot")["seq"] == before
        kill_valkey()
        published = publish_when_back(underlying, 2)
        assert socket.next("update", timeout=15) == {
            "type": "update", "topic": topic, "seq": published, "prev": before, "data": 2
        }  # fmt: skip
    with web.connect() as socket:
        socket.subscribe(topic)
        assert socket.next("snapshot")["data"] == 2


@pytest.mark.parametrize("restart", [False, True], ids=["flushed", "restarted empty"])
def test_redis_loses_everything_and_sockets_hear_of_it_and_go_on(web: Web, underlying: str, restart: bool) -> None:
    topic = f"{underlying}@equity_spot"
    chain = f"{underlying}@equity_options@2026-12-29@"
    with web.connect() as socket, web.connect() as watcher:
        before = publish_topics(underlying, {topic: 1, f"{chain}call@100": 2})
        socket.subscribe(topic)
        socket.next("snapshot")
        watcher.subscribe(f"{chain}*", cadence="100ms")
        watcher.next("snapshot")
        redis_client().flushall()
        if restart:
            kill_valkey()
        gap = socket.next("gap", timeout=15)
        assert gap == {"type": "gap", "topic": topic, "reason": "reset", "since": before}
        assert watcher.next("gap", timeout=15)["topic"] == f"{chain}*"
        published = publish_when_back(underlying, 3)
        update = socket.next("update", timeout=15)
        assert (update["seq"], update["prev"], update["data"]) == (published, None, 3)
        publish_topics(underlying, {f"{chain}call@100": 4})
        assert watcher.next("update")["data"] == 4


def test_a_busy_stream_that_is_emptied_says_so(web: Web, underlying: str) -> None:
    """Its entries go on with IDs that follow those already published, as if none were lost."""
    topic, other = f"{underlying}@equity_spot", f"{underlying}@equity_futures@2026-12-29"
    stop, published = threading.Event(), [publish_topics(underlying, {topic: 0, other: 0})]

    def go_on() -> None:
        while not stop.wait(0.01):
            published.append(publish(underlying, equity_spot=len(published)))

    thread = threading.Thread(target=go_on)
    with web.connect() as socket:
        socket.subscribe(topic, other)
        assert {socket.next("snapshot")["topic"] for _ in range(2)} == {topic, other}
        thread.start()
        try:
            for _ in range(3):  # while the stream is young, when it is older, and again
                updates = 0
                while updates < 30:  # among them may be the snapshots after a gap
                    message = socket.next()
                    assert message["type"] in ("update", "snapshot"), message
                    updates += message["type"] == "update"
                redis_client().flushall()
                lost_after = published[-1]
                gaps = []
                deadline = time.monotonic() + 6
                while len(gaps) < 2 and time.monotonic() < deadline:
                    message = socket.next()
                    gaps += [message] if message["type"] == "gap" else []
                assert [(gap["topic"], gap["reason"]) for gap in gaps] == [(topic, "reset"), (other, "reset")]
                assert all(parse_id(gap["since"]) <= parse_id(lost_after) for gap in gaps)
        finally:
            stop.set()
            thread.join()
        socket.connection.recv(5)


def test_a_kept_state_that_is_no_json_is_shown_to_nobody(web: Web, underlying: str) -> None:
    good, bad = f"{underlying}@equity_spot", f"{underlying}@equity_futures@2026-12-29"
    published = publish_topics(underlying, {bad: 1})
    publish_topics(underlying, {good: 2})
    redis_client().hset(f"latest:{underlying}", bad, '{"time":"2026-12-01T10:00:00"+05:30"}')
    with web.connect() as socket:
        socket.subscribe(good, bad)
        snapshot = socket.next("snapshot")
        assert (snapshot["topic"], snapshot["data"]) == (good, 2)
        assert socket.next("snapshot") == {"type": "snapshot", "topic": bad, "seq": None, "data": None}
        assert published != publish_topics(underlying, {bad: 3})
        assert socket.next("update")["data"] == 3


def test_a_key_of_another_type_silences_its_own_topics_only(web: Web, underlying: str) -> None:
    bad, client = f"{underlying}X", redis_client()
    topic, silenced = f"{underlying}@equity_spot", f"{bad}@equity_spot"
    publish(underlying, equity_spot=1)
    client.set(f"signal_output_stream:{bad}", "no stream")
    client.set(f"latest:{bad}", "no hash")
    client.zadd("latest_seq:" + bad, {"x": 1})
    with web.connect() as socket:
        assert all(item["ok"] for item in socket.subscribe(topic, silenced)["items"])
        for number in range(2, 6):
            seq = publish(underlying, equity_spot=number)
            until_seq(socket, topic, seq)
        client.delete(f"signal_output_stream:{bad}", f"latest:{bad}", f"latest_seq:{bad}")
        time.sleep(2.5)
        until_seq(socket, silenced, publish(bad, equity_spot=7))
        client.delete(f"signal_output_stream:{bad}")  # the same while it is read
        client.set(f"signal_output_stream:{bad}", "no stream")
        until_seq(socket, topic, publish(underlying, equity_spot=8))
        time.sleep(2.5)
        until_seq(socket, topic, publish(underlying, equity_spot=9))
    client.delete(f"signal_output_stream:{bad}")


def test_while_redis_is_away_a_subscription_says_so_and_the_socket_stays(web: Web, underlying: str) -> None:
    pids = valkey_pids()
    with web.connect() as socket:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            socket.send(type="subscribe", id=1, topics=[f"{underlying}@equity_spot"])
            item = socket.next("ack", timeout=15)["items"][0]
            assert (item["ok"], item["code"]) == (False, "unavailable")
            socket.send(type="ping")
            socket.next("pong")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert socket.subscribe(f"{underlying}@equity_spot")["items"][0]["ok"]


def test_the_newest_states_are_json_as_they_were_told(web: Web, underlying: str) -> None:
    """States are passed on as bytes, so numbers keep their digits."""
    topic = f"{underlying}@equity_spot"
    with web.connect() as socket, redis_client() as client:
        socket.subscribe(topic)
        socket.next("snapshot")
        client.xadd(f"signal_output_stream:{underlying}", {topic: '{"ltp":1.10000000000000000001}'})
        text = socket.connection.recv(5)
        while json.loads(text)["type"] == "heartbeat":
            text = socket.connection.recv(5)
        assert str(text).endswith('"data":{"ltp":1.10000000000000000001}}')
