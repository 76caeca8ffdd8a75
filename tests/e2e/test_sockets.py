"""Sockets on the real server: requests, replies and updates."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.e2e.sockets import V2, Web, publish, publish_topics, running_web, token

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def web(tables: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    log = tmp_path_factory.mktemp("sockets") / "web.log"
    with running_web(log, WEBSOCKET_HEARTBEAT_INTERVAL="0.5", WEBSOCKET_AUTH_SECONDS="0.5") as served:
        yield served
    assert token().split(".")[0] not in log.read_text()


@pytest.fixture
def underlying() -> str:
    """An underlying that no other test uses."""
    return f"SIM@T{time.time_ns()}{next(_numbers)}"


def test_a_newcomer_gets_the_newest_state_and_then_what_comes_each_naming_the_one_before(
    web: Web, underlying: str
) -> None:
    first = publish(underlying, equity_spot={"ltp": 1})
    topic = f"{underlying}@equity_spot"
    with web.connect() as socket:
        ack = socket.subscribe(topic)
        assert ack == {
            "type": "ack",
            "id": "s",
            "request": "subscribe",
            "items": [{"topic": topic, "ok": True, "cadence": "raw"}],
        }
        assert socket.next() == {"type": "snapshot", "topic": topic, "seq": first, "data": {"ltp": 1}}
        before = first
        for number in range(2, 30):
            published = publish(underlying, equity_spot={"ltp": number})
            update = socket.next()
            assert update == {
                "type": "update",
                "topic": topic,
                "seq": published,
                "prev": before,
                "data": {"ltp": number},
            }
            before = published


def test_a_burst_arrives_whole_and_in_order(web: Web, underlying: str) -> None:
    topic = f"{underlying}@equity_spot"
    with web.connect() as socket:
        socket.subscribe(topic)
        assert socket.next("snapshot")["seq"] is None
        published: list[str] = []
        with socket.updates(lambda: published[-1]) as got:
            published += [publish(underlying, equity_spot={"n": n}) for n in range(200)]
        assert [each["seq"] for each in got] == published
        assert [each["prev"] for each in got] == [None, *published[:-1]]


def test_a_topic_without_a_value_says_so_first(web: Web, underlying: str) -> None:
    with web.connect() as socket:
        socket.subscribe(f"{underlying}@equity_spot")
        snapshot = socket.next("snapshot")
        assert snapshot["seq"] is None and snapshot["data"] is None
        published = publish(underlying, equity_spot={"ltp": 7})
        assert socket.next("update") == {
            "type": "update", "topic": f"{underlying}@equity_spot", "seq": published, "prev": None, "data": {"ltp": 7}
        }  # fmt: skip


def test_the_seeds_own_message(web: Web, underlying: str) -> None:
    publish_topics(underlying, {f"chain:{underlying}:2026-12-29": {"atm": 1}})
    with web.connect(f"{V2}?client_id=user123", welcome=False) as socket:
        assert socket.next("welcome")["client_id"] == "user123"
        socket.send(type="subscribe", channel="chain", params={"underlying": underlying, "expiry": "2026-12-29"})
        assert socket.next("ack")["items"][0]["topic"] == f"chain:{underlying}:2026-12-29"
        assert socket.next("snapshot")["data"] == {"atm": 1}
        socket.send(
            type="subscribe",
            channel="moneyness",
            instrument_key="moneyness_greeks",
            params={"underlying": underlying, "moneyness_level": "atm"},
        )
        assert socket.next("ack")["items"] == [{"topic": f"moneyness:{underlying}:ATM", "ok": True, "cadence": "raw"}]
        assert socket.next("snapshot")["data"] is None
        publish_topics(underlying, {f"moneyness:{underlying}:ATM": {"call": {"delta": 0.5}}})
        assert socket.next("update")["data"] == {"call": {"delta": 0.5}}
        socket.send(type="subscribe", channel="moneyness", params={"underlying": "NIFTY", "moneyness_level": "ITM0"})
        item = socket.next("ack")["items"][0]
        assert item["code"] == "unknown_topic" and "ITM1 to ITM10" in item["detail"]
        socket.send(type="subscribe", channel="nonsense")
        assert socket.next("error")["code"] == "unknown_channel"


def test_each_topic_of_a_request_has_its_outcome(web: Web, underlying: str) -> None:
    good = f"{underlying}@equity_spot"
    with web.connect() as socket:
        items = socket.subscribe(good, "nonsense", "job:1", "job:6f0c6f3e-9d51-4bd8-9d6b-2a0c4f0b7a11")["items"]
        assert [item.get("code") for item in items] == [None, "unknown_topic", "unknown_topic", "forbidden"]
        assert all(item["ok"] or item["detail"] for item in items)
        socket.next("snapshot")
        socket.send(type="unsubscribe", id=5, topics=[good, "other"])
        ack = socket.next("ack")
        assert ack["id"] == 5 and [item.get("code") for item in ack["items"]] == [None, "not_subscribed"]
        publish(underlying, equity_spot={})
        socket.quiet()


@pytest.mark.parametrize(
    ("text", "request_id"),
    [
        ("nonsense", None),
        ("[]", None),
        ('{"type":"subscribe","id":3}', 3),
        ('{"type":"subscribe","id":"x","topics":["A@B"],"cadence":"2s"}', "x"),
        ('{"type":"subscribe","id":4,"topics":["A@B"],"resume_from":"yesterday"}', 4),
        ('{"type":"subscribe","id":4,"topics":["A@B"],"cadense":"1s"}', 4),
        ('{"type":"buy","id":9}', 9),
    ],
)
def test_what_cannot_be_read_is_answered_with_its_id_and_harms_nothing(web: Web, text: str, request_id: object) -> None:
    with web.connect() as socket:
        socket.connection.send(text)
        error = socket.next("error")
        assert (error["id"], error["code"]) == (request_id, "invalid_message") and error["detail"]
        socket.send(type="ping", id="still there")
        assert socket.next("pong")["id"] == "still there"


def test_a_wildcard_takes_the_whole_chain_and_what_is_listed_later(web: Web, underlying: str) -> None:
    chain = f"{underlying}@equity_options@2026-12-29@"
    publish_topics(underlying, {f"{chain}call@100": 1, f"{chain}put@100": 2, f"{underlying}@equity_spot": 3})
    with web.connect() as socket:
        socket.subscribe(f"{chain}*")
        snapshots = [socket.next("snapshot") for _ in range(2)]
        assert {each["topic"]: each["data"] for each in snapshots} == {f"{chain}call@100": 1, f"{chain}put@100": 2}
        publish_topics(underlying, {f"{chain}call@105": 4, f"{underlying}@equity_options@2027-01-26@call@100": 5})
        update = socket.next("update")
        assert (update["topic"], update["data"], update["prev"]) == (f"{chain}call@105", 4, None)
        socket.quiet()


@pytest.mark.parametrize(("cadence", "seconds"), [("100ms", 0.1), ("1s", 1.0)])
def test_a_cadence_gives_the_newest_at_most_so_often(web: Web, underlying: str, cadence: str, seconds: float) -> None:
    topic = f"{underlying}@equity_spot"
    with web.connect() as paced, web.connect() as raw:
        for socket, chosen in ((paced, cadence), (raw, "raw")):
            assert socket.subscribe(topic, cadence=chosen)["items"][0]["cadence"] == chosen
            socket.next("snapshot")
        begun = time.monotonic()
        published: list[str] = []
        with raw.updates(lambda: published[-1]) as every:
            while time.monotonic() - begun < 2.5 * seconds:
                published.append(publish(underlying, equity_spot={"n": len(published)}))
                time.sleep(seconds / 40)
        got: list[dict[str, Any]] = []
        while not got or got[-1]["seq"] != published[-1]:
            got.append(paced.next("update", timeout=3))
        elapsed = time.monotonic() - begun
        assert 2 <= len(got) <= elapsed / seconds + 1
        assert [each["seq"] for each in every] == published
        beat = paced.next("heartbeat")
        while beat["sent"] < 1 + len(got):
            beat = paced.next("heartbeat")
        assert beat["sent"] + beat["conflated"] == 1 + len(published) and beat["dropped"] == 0


def test_a_heartbeat_comes_with_its_counters(web: Web, underlying: str) -> None:
    with web.connect() as socket:
        socket.subscribe(f"{underlying}@equity_spot")
        socket.next("snapshot")
        for number in range(5):
            publish(underlying, equity_spot=number)
        for _ in range(5):
            socket.next("update")
        beat = socket.next("heartbeat")
        while beat["sent"] < 6:
            beat = socket.next("heartbeat")
        assert set(beat) == {"type", "at", "sent", "conflated", "dropped", "lag_ms"}
        assert (beat["sent"], beat["conflated"], beat["dropped"]) == (6, 0, 0)
        assert abs(beat["at"] - time.time() * 1000) < 5000
        assert all(0 <= each["lag_ms"] < 1000 for each in socket.beats if each["lag_ms"] is not None)


def test_an_update_in_a_subscription_of_two_ways_comes_once(web: Web, underlying: str) -> None:
    chain = f"{underlying}@equity_options@2026-12-29@"
    with web.connect() as socket:
        socket.subscribe(f"{chain}*", f"{chain}call@100")
        socket.next("snapshot")
        publish_topics(underlying, {f"{chain}call@100": 1})
        socket.next("update")
        socket.quiet()


def test_metrics_tell_of_the_sockets(web: Web, underlying: str) -> None:
    sent = web.metric("signal_websocket_sent_total")
    with web.connect() as socket:
        publish(underlying, equity_spot=1)
        socket.subscribe(f"{underlying}@equity_spot")
        socket.next("snapshot")
        assert web.metric("signal_websocket_connections") == 1
        assert web.metric("signal_websocket_streams") >= 1
        assert web.metric("signal_websocket_sent_total") == sent + 1


def test_the_asyncapi_document_is_served_and_says_what_is_sent(web: Web, underlying: str) -> None:
    document = httpx.get(f"http://127.0.0.1:{web.port}/api/asyncapi.json").raise_for_status().json()
    assert document["servers"]["this"] == {"host": f"127.0.0.1:{web.port}", "protocol": "ws"}
    sockets = document["channels"]["sockets"]
    assert sockets["address"] == V2 and "job:{id}" in sockets["x-topics"]
    names = {each["name"]: name for name, each in document["components"]["messages"].items() if name != "ClientPong"}
    begun = time.monotonic()
    with web.connect(welcome=False) as socket:
        socket.send(type="subscribe", topics=[f"{underlying}@equity_spot", "nonsense"])
        socket.send(type="ping", id=1)
        socket.send(type="nonsense")
        heard = set()
        while not {"welcome", "ack", "snapshot", "pong", "error", "update", "heartbeat"} <= heard:
            assert time.monotonic() - begun < 30, heard
            message = json.loads(socket.connection.recv(5))
            if message["type"] == "heartbeat":  # what was published before the subscription is in its snapshot
                publish(underlying, equity_spot={"ltp": 1})
            schema = {"$ref": f"#/components/schemas/{names[message['type']]}", "components": document["components"]}
            Draft202012Validator(schema).validate(message)
            heard.add(message["type"])
