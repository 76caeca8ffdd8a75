"""The stand-ins of outside parties, with what they talk to."""

import subprocess
import sys
import time

import orjson
import pytest
import redis

from signalsite.embedded import state as places
from tests.forks import the_forks
from tests.integration.processes import ROOT

OUTPUT = "signal_output_stream:SIM@NIFTY"


def run(feed, *arguments, fails=False):
    done = the_forks().run(arguments, environment=feed.environment, timeout=60)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def test_every_message_of_the_subscription_managers_stand_in_is_kept(running):
    feed = running
    run(feed, "simulate_configs", "--count", "150", "--rate", "100", "--seconds", "2", "--seed", "3")
    feed.settle(60)
    assert not feed.dead()
    assert 100 <= len(feed.kept()) <= 150
    assert {document["instruments"][0].split("@")[0] for document in feed.kept().values()} == {"SIM"}


def test_it_waits_for_options_so_that_it_asks_for_greeks(running, tmp_path):
    feed = running
    arguments = ["simulate_configs", "--count", "40", "--rate", "0", "--wait", "30"]
    with (tmp_path / "said").open("w") as said:
        waiting = the_forks().start(arguments, environment=feed.environment, output=said, errors=said)
    time.sleep(2)
    assert waiting.poll() is None and not feed.kept()
    run(feed, "simulate_market", "--contracts", "20", "--minutes", "0")
    assert waiting.wait(20) == 0
    feed.settle(60)
    assert any("greeks" in document for document in feed.kept().values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--count", "0"], "--count 0: from 1"),
        (["--rate", "-1"], "--rate -1: from 0"),
        (["--rate", "nan"], "--rate nan: from 0"),
        (["--underlyings", "a@b@c@d"], "--underlyings:"),
    ],
)
def test_a_wrong_option_is_one_sentence(running, arguments, told):
    said = run(running, "simulate_configs", *arguments, fails=True)
    assert said.startswith(f"CommandError: {told}") and said.count("\n") == 1


def test_the_reader_of_results_goes_on_where_it_was(feed):
    def publish(first, last):
        for number in range(first, last):
            state = orjson.dumps({"version": number})
            feed.redis.xadd(OUTPUT, {f"results:one:{number}": state, "SIM@NIFTY@equity_spot": '{"ltp": 1}'})

    def read(*more):
        return [orjson.loads(line) for line in run(feed, "read_outputs", *more).splitlines()]

    publish(0, 300)
    first = read("--count", "100")
    assert [line["state"]["version"] for line in first] == list(range(len(first))) and len(first) >= 100
    assert first[0] == {"stream": OUTPUT, "id": first[0]["id"], "topic": "results:one:0", "state": {"version": 0}}
    publish(300, 310)
    rest = read("--seconds", "1")
    assert [line["state"]["version"] for line in (*first, *rest)] == list(range(310))
    assert read("--seconds", "0.5") == []

    feed.redis.xadd(OUTPUT, {"results:one:x": "no JSON", "results:one:y": b'{"a": "\xff"}'})
    plain = redis.Redis.from_url(places.redis_url(feed.state))
    plain.xreadgroup("strategy", "another", {OUTPUT: ">"}, count=1)  # another one's entries are not ours
    assert read("--seconds", "0.5") == []
    assert [line["state"] for line in read("--seconds", "0.5", "--consumer", "another")] == [
        "no JSON",
        '{"a": "\\xff"}',
    ]
    assert len(read("--seconds", "0.5", "--group", "fresh", "--all")) == 2 * 310 + 2
    assert read("--seconds", "0.5", "--group", "later", "--new") == []
    assert read("--seconds", "0.5", "--group", "other", "--underlyings", "SIM@BANKNIFTY") == []


def test_a_reader_whose_output_ends_acknowledges_nothing_that_it_did_not_print(feed):
    for number in range(5_000):
        feed.redis.xadd(OUTPUT, {f"results:one:{number}": orjson.dumps({"text": "x" * 500})})
    command = f"{sys.executable} manage.py read_outputs --seconds 10 | head -n 1"
    begun = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=feed.environment, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1 and "Traceback" not in done.stderr
    assert time.monotonic() - begun < 60
    (group,) = feed.redis.xinfo_groups(OUTPUT)
    assert group["pending"] > 0


def test_past_ticks_reach_a_back_test_with_their_own_times(feed, tmp_path):
    file = tmp_path / "ticks.ndjson"
    ticks = [
        {
            "instrument_key": "NSE@NIFTY@equity_spot",
            "ltt": f"2026-01-05T09:15:{second:02}+05:30",
            "ltp": 24_000 + second,
        }
        for second in range(60)
    ]
    file.write_bytes(b"\n".join(map(orjson.dumps, ticks)) + b"\n\n")
    assert "60 ticks sent" in run(feed, "replay_ticks", "--file", str(file))
    entry = orjson.loads(feed.redis.xrange("tick_stream:NSE@NIFTY", count=1)[0][1]["data"])
    assert entry == {**ticks[0], "state": "U"}

    for text, told in (
        (b'{"instrument_key": "NSE@NIFTY@equity_spot", "ltp": 1}', "line 1: ltt is missing"),
        (b"7", "line 1: must be an object with an instrument_key"),
        (b"{", "line 1: no JSON"),
        (b'{"instrument_key": "?@", "ltt": 1}', "line 1: "),
    ):
        file.write_bytes(text)
        assert told in run(feed, "replay_ticks", "--file", str(file), fails=True)
    file.write_bytes(orjson.dumps(ticks[0]))
    feed.redis.xgroup_create("tick_stream:NSE@NIFTY", "signals")
    assert "--live-too" in run(feed, "replay_ticks", "--file", str(file), fails=True)
    assert "1 ticks sent" in run(feed, "replay_ticks", "--file", str(file), "--live-too")


def test_stored_ticks_are_sent_in_order(feed):
    feed.execute("TRUNCATE ticks")
    feed.execute(
        "INSERT INTO ticks (instrument_key, time, entry_id, ltp, bid, suspect)"
        " SELECT 'NSE@NIFTY@equity_spot', timestamptz '2026-01-05 09:15+05:30' + n * interval '1 second', n || '-0',"
        " 24000 + n, 1, '' FROM generate_series(0, 99) n"
    )
    bounds = "--start", "2026-01-05T09:15:10", "--end", "2026-01-05T09:15:20"
    assert "10 ticks sent" in run(feed, "replay_ticks", "--underlying", "NSE@NIFTY", *bounds)
    sent = [orjson.loads(fields["data"]) for _, fields in feed.redis.xrange("tick_stream:NSE@NIFTY")]
    assert [tick["ltp"] for tick in sent] == [24_010.0 + number for number in range(10)]
    assert sent[0]["state"] == "U" and sent[0]["ltt"].startswith("2026-01-05T03:45:10")
    feed.execute("TRUNCATE ticks")
