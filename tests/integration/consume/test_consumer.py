"""manage.py consume_ticks: what it stores, publishes, rejects, trims and acknowledges."""

import json
import time
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest

from signals.simulator.core.simulated_market import simulate_market
from signals.simulator.core.simulated_ticks import TickSource
from tests.integration.consume.faulty_consumers import HASTY
from tests.integration.consume.live import EXPIRY, chain, option, tick
from tests.integration.processes import until


@pytest.mark.parametrize("one_field", [True, False])
def test_ticks_are_kept_priced_and_told_of(live, one_field):
    made = chain()
    live.publish(made, one_field=one_field)
    with live.consumer():
        live.drain()
    assert live.stored() == len(made)
    assert not live.dead()
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    state = orjson.loads(live.redis.hget("latest:NSE@NIFTY", key))
    assert state["greeks"]["status"] == "ok"
    assert state["greeks"]["forward_source"] == "parity"
    assert state["greeks"]["underlying_price"] == 24_000
    assert state["greeks"]["volatility_index"] == 0.135
    assert state["tick"]["instrument_key"] == key
    assert live.redis.llen(f"raw_ticks:{key}") == 1
    assert live.redis.ttl(f"raw_ticks:{key}") > 0
    assert live.redis.llen("computed_data:NIFTY") == len(made) - 1
    ticks, chains = (
        {topic: entry_id for entry_id, fields in live.redis.xrange(f"{name}:NSE@NIFTY") for topic in fields}
        for name in ("signal_output_stream", "chains_output_stream")
    )
    assert ticks == live.redis.hgetall("latest_seq:NSE@NIFTY")
    assert chains == live.redis.hgetall("latest_chains_seq:NSE@NIFTY")
    assert live.redis.ttl("latest_chains:NSE@NIFTY") > 0 and live.redis.ttl("latest_chains_seq:NSE@NIFTY") > 0
    assert {topic.partition(":")[0] for topic in ticks if ":" in topic} == {"chain"}
    topics = ticks | chains
    instruments = {topic for topic in topics if ":" not in topic}
    assert instruments == {fields["instrument_key"] for _, fields in made if "VIX" not in fields["instrument_key"]}
    levels = ["ATM", "ITM", "OTM", *(f"{side}{depth}" for side in ("ITM", "OTM") for depth in (1, 2))]
    assert {topic for topic in topics.keys() - instruments if not topic.endswith("D")} == {
        *(f"{kind}:NSE@NIFTY:{EXPIRY}" for kind in ("chain", "atm", "analytics", "smile")),
        *("atm:NSE@NIFTY", "term:NSE@NIFTY"),
        *(f"moneyness:NSE@NIFTY:{when}{level}" for when in ("", f"{EXPIRY}:") for level in levels),
    }
    atm = orjson.loads(live.redis.hget("latest_chains:NSE@NIFTY", "moneyness:NSE@NIFTY:ATM"))
    assert (atm["atm_strike"], atm["call"]["strike"]) == (24_000, 24_000)
    sliced = orjson.loads(live.redis.hget("latest:NSE@NIFTY", f"chain:NSE@NIFTY:{EXPIRY}"))
    assert sliced["call"]["delta"][sliced["strikes"].index(24_000)] == state["greeks"]["delta"]
    assert live.rows("SELECT count(*) FROM timeframes_quote WHERE source = 'stream'") == [(len(made),)]


def test_what_is_computed_besides_greeks_stands_in_each_state(live):
    live.publish(chain())
    with live.consumer("--compute", "quotes"):
        live.drain()
    state = orjson.loads(live.redis.hget("latest:NSE@NIFTY", f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"))
    assert (state["quotes"]["status"], state["quotes"]["price"]) == ("ok", state["greeks"]["price_used"])
    assert (state["quotes"]["market"], state["quotes"]["source"]) == ("two_sided", "tick")


def test_copies_bear_the_state_p_and_are_never_copied_again(live):
    made = [tick(ltp=24_000 + number, extra="rides along") for number in range(50)]
    live.publish(made, one_field=False)
    stream, fields = tick(ltp=1.0, trade_id=2**70)
    live.publish([(stream, json.dumps(fields))])
    live.publish([tick(ltp=2.0, **{f"f{number}": "1" for number in range(2_050)})], one_field=False)
    with live.consumer():
        live.drain()
        time.sleep(1.5)
        live.drain()
    entries = [fields for _, fields in live.redis.xrange("tick_stream:NSE@NIFTY")]
    wholes = [json.loads(fields["data"]) if "data" in fields else fields for fields in entries]
    states = [whole["state"] for whole in wholes]
    assert (states.count("U"), states.count("P")) == (52, 52)
    new, copied = (
        sorted(json.dumps({**whole, "state": ""}, sort_keys=True) for whole in wholes if whole["state"] == state)
        for state in "UP"
    )
    assert new == copied
    assert live.stored() == 52
    newest = orjson.loads(live.redis.lindex("computed_data:NIFTY", 0))
    assert newest["tick"]["extra"] == "rides along"


def test_lists_end_with_the_newest_and_are_cut(live):
    live.publish([tick(ltp=10_000.0 + number) for number in range(3_000)])
    with live.consumer("--write-back", "off", TICK_BATCH="20", RAW_TICKS_LENGTH="100"):
        live.drain()
    key = "raw_ticks:NSE@NIFTY@equity_spot"
    assert 100 <= live.redis.llen(key) <= 125
    newest = [orjson.loads(each)["ltp"] for each in live.redis.lrange(key, -100, -1)]
    assert newest == [10_000.0 + number for number in range(2_900, 3_000)]


def test_bad_ticks_are_put_aside_with_their_reasons_and_harm_no_neighbour(live):
    good = [*chain(), tick(ltp=24_001)]
    key = "NSE@NIFTY@equity_spot"
    bad = {
        "malformed": '{"instrument_key":',
        "missing_ltt": {"instrument_key": key, "ltp": 1},
        "missing_instrument_key": {"ltt": 1.7e9, "ltp": 1},
        "missing_price": {"instrument_key": key, "ltt": 1.7e9},
        "future_ltt": {"instrument_key": key, "ltt": time.time() + 3600, "ltp": 1},
        "bad_ltt": {"instrument_key": key, "ltt": "yesterday", "ltp": 1},
        "not_finite": {"instrument_key": key, "ltt": 1.7e9, "ltp": "NaN"},
        "negative": {"instrument_key": key, "ltt": 1.7e9, "ltp": -1},
        "wrong_type": {"instrument_key": key, "ltt": 1.7e9, "ltp": [1]},
        "oversized": {"instrument_key": key, "ltt": 1.7e9, "ltp": 1, "note": "x" * 20_000},
        "unknown_instrument": {"instrument_key": "NSE@NOBODY@equity_spot", "ltt": 1.7e9, "ltp": 1},
        "bad_state": {"instrument_key": key, "ltt": 1.7e9, "ltp": 1, "state": "X"},
        "too_large": {"instrument_key": key, "ltt": 1.7e9, "ltp": 1e16},
    }
    assert len(good) == len(bad)
    for neighbour, value in zip(good, bad.values(), strict=True):
        live.publish([neighbour, ("NSE@NIFTY", value)])
    live.redis.xadd("tick_stream:NSE@NIFTY", {"data": b'{"instrument_key":"\xff"}'})
    live.redis.xadd("tick_stream:NSE@NIFTY", {"data": orjson.dumps(tick()[1]), "source": b"\xff"})
    with live.consumer():
        live.drain()
    assert live.stored() == len(good)
    assert live.dead() == {**dict.fromkeys(bad, 1), "malformed": 3}
    letter = live.redis.xrange("tick_dead_letter")[0][1]
    assert letter.keys() == {"stream", "entry_id", "reason", "detail", "entry"}


def test_a_tick_delivered_again_is_stored_once(live):
    live.publish(chain())
    for number in range(3):
        with live.consumer("--group", f"reader{number}"):
            live.drain(group=f"reader{number}")
    assert live.stored() == len(chain())


@pytest.mark.parametrize("known", ["latest", "quotes", "settlement"])
def test_a_new_consumer_knows_the_market_of_the_one_before(live, known):
    """From Redis, or after a flush from PostgreSQL's quotes."""
    future = f"NSE@NIFTY@equity_futures@{EXPIRY}"
    at = time.time() - 5
    before = [tick(ltt=at), tick("NSE@INDIAVIX@equity_spot", 13.5, ltt=at), tick(future, 24_130.0, ltt=at)]
    live.publish(before)
    with live.consumer():
        live.drain()
    if known != "latest":
        live.redis.flushall()
    if known == "settlement":
        live.execute("UPDATE timeframes_quote SET settle = last, last = NULL, source = 'day'")
    quotes = live.rows("SELECT * FROM timeframes_quote ORDER BY 1")
    live.publish([option(24_000, "call", ltp=400.0)])
    with live.consumer("--write-back", "off"):
        live.drain()
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    greeks = orjson.loads(live.redis.hget("latest:NSE@NIFTY", key))["greeks"]
    assert (greeks["status"], greeks["underlying_price"], greeks["underlying_restored"]) == ("ok", 24_000, True)
    assert 5 <= greeks["underlying_age_seconds"] < 60 and 5 <= greeks["volatility_index_age_seconds"] < 60
    assert (greeks["volatility_index"], greeks["forward_source"], greeks["forward"]) == (0.135, "future", 24_130)
    assert live.rows("SELECT * FROM timeframes_quote WHERE instrument_key NOT LIKE '%@call@%' ORDER BY 1") == quotes


def test_a_back_test_does_not_know_the_market_of_today(live):
    live.publish([tick(), tick("NSE@INDIAVIX@equity_spot", 13.5)])
    with live.consumer():
        live.drain()
    live.redis.flushall()
    live.publish([option(24_000, "call", ltp=400.0)])
    with live.consumer("--clock=tick"):
        live.drain(group="backtest")
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    greeks = orjson.loads(live.redis.hget("backtest:latest:NSE@NIFTY", key))["greeks"]
    assert (greeks["status"], greeks["underlying_price"]) == ("no_underlying", None)


def test_a_back_test_has_a_namespace_of_its_own(live):
    begin = 1_700_000_000
    made = []
    for second in range(20):
        for stream, fields in chain(24_000 + second):
            made.append((stream, {**fields, "ltt": begin + second}))
    live.publish(made)
    with live.consumer("--clock=tick", "--write-back", "off"):
        live.drain(group="backtest")
    assert (live.stored(), live.stored("backtest_ticks")) == (0, len(made))
    assert not live.redis.keys("latest:*")
    state = orjson.loads(live.redis.hget("backtest:latest:NSE@NIFTY", f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"))
    assert state["as_of"].startswith("2023-11-14T22:13:39")
    assert state["greeks"]["price_age_seconds"] == 0


def test_acknowledged_entries_are_trimmed_behind_every_group(live):
    live.redis.xgroup_create("tick_stream:NSE@NIFTY", "other", id="0", mkstream=True)
    made = [tick(ltp=10_000.0 + number) for number in range(3000)]
    live.publish(made)
    (first,) = live.redis.xreadgroup("other", "x", {"tick_stream:NSE@NIFTY": ">"}, count=1000)
    with live.consumer("--write-back", "off", TICK_KEEP_SECONDS="0"):
        live.drain()
        time.sleep(2.5)
        assert live.redis.xlen("tick_stream:NSE@NIFTY") == 3000
        live.redis.xack("tick_stream:NSE@NIFTY", "other", *(entry_id for entry_id, _ in first[1]))
        until(lambda: live.redis.xlen("tick_stream:NSE@NIFTY") <= 2100, 60, "trimmed")
        assert live.redis.xlen("tick_stream:NSE@NIFTY") >= 2000


def test_sigterm_drains(live):
    live.publish(chain())
    with live.consumer() as consumer:
        live.drain()
        consumer.terminate()
        assert consumer.wait(10) == 0
    assert "drained" in live.log.read_text()
    assert not live.redis.keys("tick_owner:*")


def test_the_live_chains_forwards_are_the_feeds(live):
    """A simulated feed of 40 s, whose spots walk while quotes stand. The feed knows the true forwards."""
    now = datetime.now(UTC)
    at = now - timedelta(seconds=40)
    market = simulate_market(seed=5, at=at, symbols=["NIFTY", "BANKNIFTY"], contracts=1_000, minutes=0)
    source = TickSource(market, seed=5, at=at)
    live.publish([tick for second in range(40) for tick in source.ticks(200, at + timedelta(seconds=second))])
    last = [(name, {"instrument_key": f"{name}@equity_spot", "ltt": now.isoformat(), "ltp": walk.price})
            for name, walk in source.walks.items() if walk.options]  # fmt: skip
    live.publish(last)
    with live.consumer("--write-back", "off"):
        live.drain()
        time.sleep(1.0)  # one more repricing, for states published with older ticks
        live.drain()
    checked = 0
    for name, walk in source.walks.items():
        for topic, state in live.redis.hgetall(f"latest:{name}").items():
            if topic.startswith("chain:"):
                told = orjson.loads(state)
                truth = walk.price * walk.forwards[date.fromisoformat(told["expiry"])]
                assert told["forward_source"] == "parity"
                half = 0.5 * (told["forward_ask"] - told["forward_bid"])
                assert abs(told["forward"] - truth) <= half + 0.05, told["expiry"]
                assert half < 0.0015 * truth and told["forward_strikes"] > 15
                checked += 1
    assert checked >= 12


def test_a_curve_that_is_imported_counts_from_the_next_reading_of_the_terms(live):
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"

    def rate():
        greeks = orjson.loads(live.redis.hget("latest:NSE@NIFTY", key))["greeks"]
        return greeks["rate"], greeks["rate_source"]

    today = datetime.now(UTC).date()
    try:
        with live.consumer(script=HASTY):
            live.publish(chain())
            live.drain()
            assert rate() == (0.065, "default")
            live.execute(
                "INSERT INTO signals_zerorate (currency, date, tenor_days, rate, source)"
                f" VALUES ('INR', '{today}', 30, 0.05, 'test')"
            )

            def counts():
                live.publish(chain(24_000.0 + time.time() % 1))
                live.drain()
                return rate() == (0.05, "curve")

            until(counts, 20, "the curve counts")
    finally:
        live.execute("TRUNCATE signals_zerorate")
