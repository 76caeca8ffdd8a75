"""The live snapshot over HTTP and the daemon's metrics, from a simulated feed to the response."""

import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from realtime.management.commands.consume_ticks import Command
from signalsite.embedded.service import free_port
from signalsite.foundation.redis import client
from tests.forks import the_forks
from tests.integration.processes import until

pytestmark = pytest.mark.django_db
BASE = "/api/v2/signals/realtime"
EXPIRY = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


def option(strike: int, right: str) -> str:
    return f"NSE@TESTED@equity_options@{EXPIRY}@{right}@{strike}"


FORWARD = {
    "forward": 24_100.0,
    "forward_source": "parity",
    "forward_bid": 24_099.0,
    "forward_ask": 24_101.0,
    "forward_residual": None,
    "forward_strikes": 39,
    "forward_excluded": [23_000.0, 25_000.0],
}


@pytest.fixture
def api() -> Iterator[Client]:
    user = User.objects.create_user("reader")
    redis = client(settings.REDIS_URL)
    now = datetime.now(UTC).isoformat()
    states = {
        key: {"instrument_key": key, "time": now, "as_of": now, "tick": {"ltp": price}, "greeks": {"delta": 0.5}}
        for key, price in [("NSE@TESTED@equity_spot", 24_010.0)]
        + [(option(strike, right), 1.0) for strike in range(23_000, 25_050, 50) for right in ("call", "put")]
    }
    redis.hset("latest:NSE@TESTED", mapping={key: orjson.dumps(state) for key, state in states.items()})
    redis.hset("latest:NSE@TESTED", f"chain:NSE@TESTED:{EXPIRY}", orjson.dumps({**FORWARD, "strikes": [24_100.0]}))
    redis.hset("latest_seq:NSE@TESTED", mapping=dict.fromkeys(states, "7-0"))
    try:
        yield Client(headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"})
    finally:
        redis.delete("latest:NSE@TESTED", "latest_seq:NSE@TESTED")


def test_one_instrument(api: Client) -> None:
    answer = api.get(f"{BASE}/greeks/{option(24_000, 'call')}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["greeks"]["delta"], body["seq"]) == (0.5, "7-0")
    assert 0 <= body["age_seconds"] < 60
    assert answer["Cache-Control"] == "no-store"


def test_many_at_once_keep_their_order_and_say_which_are_missing(api: Client) -> None:
    keys = [option(24_000, "put"), "NSE@NOTHING@equity_spot", option(24_000, "call")]
    for answer in (
        api.get(f"{BASE}/greeks", {"keys": ",".join(keys)}),
        api.post(f"{BASE}/greeks", {"instrument_keys": keys}, content_type="application/json"),
    ):
        assert [row["instrument_key"] for row in answer.json()["data"]] == keys
        assert answer.json()["data"][1]["status"] == "not_found"


def test_a_chain_in_one_call(api: Client) -> None:
    chain = api.get(f"{BASE}/chain/NSE@TESTED").json()
    assert (chain["expiry"], chain["underlying_price"], chain["at_the_money"]) == (EXPIRY, 24_010, 24_100)
    assert [row["strike"] for row in chain["strikes"]] == list(range(23_600, 24_650, 50))  # around the forward
    assert chain["strikes"][0]["call"]["instrument_key"] == option(23_600, "call")
    assert chain["strikes"][0]["put"]["seq"] == "7-0"
    assert {name: chain[name] for name in FORWARD} == FORWARD
    assert len(api.get(f"{BASE}/chain/TESTED", {"strikes": "all", "expiry": EXPIRY}).json()["strikes"]) == 41


BAD_STATES = [
    '{"instrument_key":"x","entry_id":"1-0","time":"2026-12-01T10:00:00"+05:30","tick":{},"as_of":""}',
    "[]",
    "",
    '{"time":"soon","as_of":"soon","tick":{"ltp":1}}',
    '{"time":"2026-12-01T10:00:00Z","as_of":"2026-12-01T10:00:00Z","tick":7}',
    '{"time":"2026-12-01T10:00:00Z","as_of":"2026-12-01T10:00:00Z","tick":{"ltp":"dear"}}',
    '{"time":"2026-12-01T10:00:00Z","as_of":"2026-12-01T10:00:00Z","tick":{"ltp":1}} ',
]


@pytest.mark.parametrize("state", BAD_STATES)
def test_a_state_that_cannot_be_read_is_said_to_be_one_and_the_others_are_shown(api: Client, state: str) -> None:
    redis, bad, good = client(settings.REDIS_URL), option(24_000, "call"), option(24_000, "put")
    redis.hset("latest:NSE@TESTED", mapping={bad: state, "\xff@_options@": "x"})
    try:
        answer = api.get(f"{BASE}/chain/NSE@TESTED")
        assert answer.status_code == 200
        chain = answer.json()
        row = next(row for row in chain["strikes"] if row["strike"] == 24_000)
        assert (row["call"], chain["unreadable"]) == ({"instrument_key": bad, "status": "unreadable"}, [bad])
        assert row["put"]["greeks"]["delta"] == 0.5
        rows = api.get(f"{BASE}/greeks", {"keys": f"{bad},{good}"}).json()["data"]
        assert rows[0] == {"instrument_key": bad, "status": "unreadable"} and rows[1]["greeks"]["delta"] == 0.5
        assert api.get(f"{BASE}/greeks/{bad}").json()["status"] == "unreadable"
        redis.hset("latest:NSE@TESTED", "NSE@TESTED@equity_spot", state)
        chain = api.get(f"{BASE}/chain/NSE@TESTED").json()
        assert (chain["underlying_price"], chain["spot"]["status"]) == (None, "unreadable")
    finally:
        redis.hdel("latest:NSE@TESTED", "\xff@_options@")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("greeks/nope", 400),
        (f"greeks/NSE@TESTED@equity_futures@{EXPIRY}", 404),
        ("greeks", 400),
        ("greeks?keys=,", 400),
        ("greeks?keys=" + ",".join(["NSE@X"] * 501), 400),
        ("chain/NSE@NOTHING", 404),
        ("chain/NSE@TESTED@equity_spot", 400),
        ("chain/NSE@TESTED?strikes=many", 400),
        ("chain/NSE@TESTED?expiry=2099-12-30", 404),
        ("chain/NSE@TESTED?expiry=soon", 400),
    ],
)
def test_what_cannot_be_answered_is_a_problem(api: Client, path: str, status: int) -> None:
    answer = api.get(f"{BASE}/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


def test_nobody_reads_without_a_token() -> None:
    assert Client().get(f"{BASE}/greeks/NSE@TESTED@equity_spot").status_code == 401


def test_work_of_a_query_is_short(api: Client) -> None:
    taken = []
    tracing = sys.gettrace()
    sys.settrace(None)  # measuring coverage costs more than the work
    try:
        for _ in range(30):
            begun = time.process_time()
            api.get(f"{BASE}/greeks/{option(24_000, 'call')}")
            taken.append(time.process_time() - begun)
    finally:
        sys.settrace(tracing)
    assert sorted(taken)[15] < 0.005


def test_a_simulated_feed_is_consumed_and_measured(tmp_path: Path) -> None:
    redis = client(settings.REDIS_URL)
    port = free_port()
    for key in redis.keys("tick_*"):
        redis.delete(key)
    market = ["simulate_market", "--contracts", "100", "--minutes", "0", "--stream", "--rate", "400", "--seconds", "5"]
    assert the_forks().run(["migrate", "-v0"], environment=os.environ).returncode == 0
    consume = ["consume_ticks", "--metrics-port", str(port)]
    with (tmp_path / "log").open("w") as log:
        consumer = the_forks().start(consume, environment=os.environ, output=log, errors=log)
    try:
        for form in ([], ["--one-field"]):
            done = the_forks().run([*market, *form], environment=os.environ)
            assert done.returncode == 0 and "ticks published" in done.stderr  # a line of the log

        def waiting() -> int:
            groups = [group for key in redis.keys("tick_stream:SIM@*") for group in redis.xinfo_groups(key)]
            return sum(group["pending"] + (group["lag"] or 0) for group in groups)

        until(lambda: waiting() == 0, 30, "drained")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        consumer.terminate()
        consumer.wait(20)
    for name in ("processing_time_bucket", "tick_count_total", "error_count", "queue_length"):
        assert f"signal_service_{name}" in text
    reasons = {fields[b"reason"].decode() for _, fields in redis.xrange("tick_dead_letter")}
    assert reasons and reasons <= {
        "missing_ltt",
        "future_ltt",
        "not_finite",
        "negative",
        "wrong_type",
        "unknown_instrument",
    }
    state = orjson.loads(redis.hget("latest:SIM@NIFTY", "SIM@NIFTY@equity_spot"))
    assert state["tick"]["ltp"] > 0
    atm = orjson.loads(redis.hget("latest_chains:SIM@NIFTY", "moneyness:SIM@NIFTY:ATM"))
    sliced = orjson.loads(redis.hget("latest:SIM@NIFTY", f"chain:SIM@NIFTY:{atm['expiry']}"))
    assert atm["atm_strike"] in sliced["strikes"] and sliced["forward"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--shard", "2/2"], "write I/N"), (["--clock=tick", "--namespace", ""], "needs a --namespace")],
)
def test_what_cannot_be_consumed_says_why(arguments: list[str], message: str) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match=message):
        call_command(Command(), *arguments)
