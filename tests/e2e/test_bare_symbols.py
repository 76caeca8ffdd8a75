"""Where a request names an underlying or an instrument, a bare symbol will do. Answers name the whole key."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.conf import settings

from signalsite.foundation.redis import client as redis_client
from tests.e2e.conftest import AT, BATCH, run, succeed
from tests.e2e.sockets import Web, publish_topics, running_web

API = "/api/v2/signals"
OPTION = "NIFTY@equity_options@2026-03-30@call@24000"
ODD = [
    "NIFTY\x00",
    "NI\u202eFTY",
    "\U0001f600",
    "nifty",
    "NIFTY@",
    "@NIFTY",
    "NIFTY@@",
    "NIFTY@spot",
    "NIFTY:",
    "N" * 500,
]


@pytest.fixture(scope="module")
def web(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process whose default exchange is the simulated market's."""
    with running_web(tmp_path_factory.mktemp("bare") / "web.log", DEFAULT_EXCHANGE="SIM") as served:
        yield served


@pytest.fixture
def client(web: Web, login: Callable[[str], httpx.Client]) -> Iterator[httpx.Client]:
    headers = {"Authorization": login("alice").headers["Authorization"]}
    with httpx.Client(base_url=f"http://127.0.0.1:{web.port}", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def symbol() -> Iterator[str]:
    """A symbol with a live spot and a live call."""
    symbol, redis = f"BARE{time.time_ns()}", redis_client(settings.REDIS_URL)
    keys = [f"SIM@{symbol}@equity_spot", f"SIM@{symbol}@equity_options@2099-03-18@call@20"]
    moments = {"time": "2026-03-02T05:30:00+00:00", "as_of": "2026-03-02T05:30:01+00:00"}
    states = {key: {"instrument_key": key, **moments, "tick": {"ltp": 20}, "greeks": None} for key in keys}
    redis.hset(f"latest:SIM@{symbol}", mapping={key: json.dumps(state) for key, state in states.items()})
    yield symbol
    redis.delete(f"latest:SIM@{symbol}", f"latest_seq:SIM@{symbol}")


def test_live_reads(client: httpx.Client, symbol: str) -> None:
    call = f"{symbol}@equity_options@2099-03-18@call@20"
    for path in (f"greeks/{call}", f"greeks/SIM@{call}"):
        assert client.get(f"{API}/realtime/{path}").raise_for_status().json()["instrument_key"] == f"SIM@{call}"
    chain = client.get(f"{API}/realtime/chain/{symbol}").raise_for_status().json()
    assert chain["underlying"] == f"SIM@{symbol}" and chain["strikes"][0]["call"]["instrument_key"] == f"SIM@{call}"
    keys = [call, f"SIM@{call}", f"{symbol}@equity_spot", f"{symbol}@equity_futures@2099-03-18"]
    many = client.get(f"{API}/realtime/greeks", params={"keys": ",".join(keys)}).raise_for_status().json()
    posted = client.post(f"{API}/realtime/greeks", json={"instrument_keys": keys}).raise_for_status().json()
    for found in (many, posted):
        assert [row["instrument_key"] for row in found["data"]] == [f"SIM@{key.removeprefix('SIM@')}" for key in keys]
        assert [row.get("status") for row in found["data"]] == [None, None, None, "not_found"]
    missing = client.get(f"{API}/realtime/greeks/{symbol}@equity_futures@2099-03-18")
    assert missing.status_code == 404 and f"SIM@{symbol}" in missing.json()["detail"]


def test_the_listing(client: httpx.Client) -> None:
    assert client.get(f"{API}/underlyings/NIFTY/expiries").raise_for_status().json()["underlying"] == "SIM@NIFTY"
    rows = client.get(f"{API}/instruments", params={"underlying": "NIFTY", "limit": "3"}).raise_for_status().json()
    assert {row["underlying"] for row in rows["data"]} == {"SIM@NIFTY"}
    for path in (f"instruments/{OPTION}", f"instruments/{OPTION}/greeks"):
        assert client.get(f"{API}/{path}").raise_for_status().json()["instrument_key"] == f"SIM@{OPTION}"


def test_jobs(client: httpx.Client) -> None:
    job, rows = run(client, items=[OPTION, {"instrument_key": OPTION, "custom_id": "mine"}], as_of=AT)
    assert [(row["instrument_key"], row["status"]) for row in rows] == [(f"SIM@{OPTION}", "ok")] * 2
    chosen = {"underlying": "NIFTY", "expiries": ["2026-03-30"], "strike": {"min": 24000, "max": 24000}}
    job, rows = run(client, selector=chosen, as_of=AT)
    assert job["selector"] == {**chosen, "underlying": "SIM@NIFTY"}
    assert [row["instrument_key"] for row in rows] == [f"SIM@{OPTION}", f"SIM@{OPTION.replace('call', 'put')}"]
    (row,) = client.post(f"{BATCH}/quotes", json={"items": ["NIFTY@equity_spot"], "as_of": AT}).json()["data"]
    assert (row["instrument_key"], row["status"]) == ("SIM@NIFTY@equity_spot", "ok")


def test_topics_channels_and_resuming(web: Web, symbol: str) -> None:
    chain, level, spot = f"chain:{symbol}:2099-03-18", f"moneyness:{symbol}:ATM", f"{symbol}@equity_spot"
    options = f"{symbol}@equity_options@2099-03-18@*"
    whole = [f"chain:SIM@{symbol}:2099-03-18", f"moneyness:SIM@{symbol}:ATM", f"SIM@{spot}", f"SIM@{options}"]
    first = publish_topics(f"SIM@{symbol}", {name: {"n": 1} for name in whole[:3:2]})
    second = publish_topics(f"SIM@{symbol}", {name: {"n": 2} for name in whole[:3:2]})
    publish_topics(f"SIM@{symbol}", {whole[1]: {"n": 2}})
    with web.connect() as socket:
        ack = socket.subscribe(chain, level, spot, options)
        assert [(item["ok"], item["topic"]) for item in ack["items"]] == [(True, name) for name in whole]
        assert {socket.next("snapshot")["topic"] for _ in range(3)} == set(whole[:3])
        socket.send(type="unsubscribe", topics=[chain, spot, spot, f"SIM@{spot}"])
        items = socket.next("ack")["items"]
        assert [(item["topic"], item["ok"]) for item in items] == [(whole[0], True), (whole[2], True), (whole[2], True)]
    with web.connect() as socket:  # two names of one topic are one subscription, with an outcome each
        items = socket.subscribe(spot, f"SIM@{spot}", resume_from={spot: first})["items"]
        assert [item["topic"] for item in items] == [whole[2]] * 2
        assert socket.next("update")["seq"] == second
        socket.quiet()
    with web.connect() as socket:
        for channel, more, topic in (
            ("ticks", {"instrument_key": spot}, whole[2]),
            ("chain", {"instrument_key": symbol, "params": {"expiry": "2099-03-18"}}, whole[0]),
            ("moneyness", {"params": {"underlying": symbol, "moneyness_level": "atm"}}, whole[1]),
        ):
            socket.send(type="subscribe", channel=channel, **more)
            assert [item["topic"] for item in socket.next("ack")["items"]] == [topic]
            assert socket.next("snapshot")["topic"] == topic


def test_commands() -> None:
    environment = {"DEFAULT_EXCHANGE": "SIM"}
    assert f"SIM@{OPTION}" in succeed("explain", OPTION, "--at", AT, **environment)
    assert "1 with a value" in succeed("compute", "greeks", OPTION, "--at", AT, **environment)
    chosen = ("--underlying", "NIFTY", "--expiry", "2026-03-30", "--strike", "24000", "24000", "--at", AT)
    assert "2 items" in succeed("batch_greeks", *chosen, **environment)


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_are_refused_by_their_field(web: Web, client: httpx.Client, odd: str) -> None:
    posted = client.post(f"{API}/realtime/greeks", json={"instrument_keys": [odd]})
    assert posted.status_code == 400 and posted.json()["errors"][0]["field"] == "instrument_keys[0]", posted.text
    selector = client.post(f"{BATCH}/jobs", json={"kind": "greeks", "selector": {"underlying": odd}})
    assert selector.status_code == 400 and selector.json()["errors"][0]["field"] == "selector.underlying"
    (row,) = client.post(f"{BATCH}/greeks", json={"items": [odd], "as_of": AT}).raise_for_status().json()["data"]
    assert row["status"] == "bad_input" and row["reason"]
    with web.connect() as socket:
        names = [odd, f"chain:{odd}:2026-03-30", f"moneyness:{odd}:ATM", f"{odd}@equity_options@2026-03-30@*"]
        assert {item["code"] for item in socket.subscribe(*names)["items"]} == {"unknown_topic"}


@pytest.mark.parametrize("odd", [None, True, 10**400, -(10**400), [], ["NIFTY"] * 1000, {"a": {"b": []}}, "", " "])
def test_odd_values_in_a_channel(web: Web, odd: Any) -> None:
    with web.connect() as socket:
        for params in ({"underlying": odd, "expiry": odd}, {"underlying": "NIFTY", "moneyness_level": odd}):
            socket.send(type="subscribe", id=1, channel="moneyness", params=params)
            assert socket.next("ack")["items"][0]["code"] == "unknown_topic"
        socket.send(type="subscribe", id=2, channel="chain", params={"underlying": odd, "expiry": "2026-03-30"})
        assert socket.next("ack")["items"][0]["code"] == "unknown_topic"
        socket.send(type="ping", id=3)
        assert socket.next("pong")["id"] == 3


def test_forty_at_once_with_long_lists(web: Web, symbol: str) -> None:
    def ask(number: int) -> None:
        names = [f"{symbol}@equity_options@2099-03-18@call@{n}" for n in range(1, 150)]
        with web.connect(user=1000 + number) as socket:
            items = socket.subscribe(*names, *(f"SIM@{name}" for name in names))["items"]
            assert [item["topic"] for item in items] == [f"SIM@{name}" for name in names] * 2
            assert all(item["ok"] for item in items)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(ask, range(40)))
