"""Configurations that run with ticks: what the consumer computes, publishes and keeps of them."""

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.integration.consume.live import EXPIRY, chain, option, tick
from tests.integration.processes import ROOT, until

SPOT = "NSE@NIFTY@equity_spot"
CALL = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
CRYPTO = "BINANCE@BTCUSDT@crypto_spot"  # trades around the clock: its ticks are always in a bar
RECORDED = {"CONFIG_RECORD_SECONDS": "1", "CONFIG_TICK_SECONDS": "5"}
ROWS = "SELECT count(*) FROM signal_configuration_results"
DOCUMENT = {
    "name": "crypto",
    "instruments": [CRYPTO],
    "interval": "1m",
    "indicators": ["rsi(length=3)", "macd", "bbands(length=5)"],
    "functions": [{"function": "realised_volatility", "params": {"length": 5}, "label": "volatility"}],
    "bars": 20,
}


def history(live, bars=400):
    """Store minutes of the last hours, and return their closes."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    closes = [100 + (place * 7 % 11) / 10 for place in range(bars)]
    rows = ", ".join(
        f"('{CRYPTO}', '1m', '{(now - timedelta(minutes=bars - place)).isoformat()}', {close}, {close + 1},"
        f" {close - 1}, {close}, 5, 'test')"
        for place, close in enumerate(closes)
    )
    live.execute(
        "INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, volume, source)"
        f" VALUES {rows}"
    )
    return closes


def newest(live, configuration, key, namespace=""):
    underlying = "@".join(key.split("@")[:2])
    found = live.redis.hget(f"{namespace}latest:{underlying}", f"results:{configuration}:{key}")
    return None if found is None else orjson.loads(found)


def with_values(live, configuration, key):
    """Publish ticks until the configuration has values, and return its newest result."""

    def found():
        live.publish([tick(key, 101.0)])
        state = newest(live, configuration, key)
        return state if state and not state["reasons"] else None

    until(found, 60, "values")
    return newest(live, configuration, key)


def configured(live):
    """Return what stands in the newest tick."""
    live.publish([tick(CRYPTO, 101.0)])
    live.drain()
    return orjson.loads(live.redis.lindex("computed_data:BTCUSDT", -1)).get("configurations", {})


def test_indicators_and_functions_of_each_tick(live):
    history(live)
    (public,) = live.configure(DOCUMENT)
    (private,) = live.configure({**DOCUMENT, "name": "mine"}, owner="somebody")
    with live.consumer(**RECORDED):
        live.publish([tick(CRYPTO, 101.0)])
        state = with_values(live, public, CRYPTO)
        until(lambda: live.rows(ROWS)[0][0] >= 2, 20, "rows")
        live.drain()
    assert state["values"]["indicators"]["rsi(length=3)"]["RSI_3"] > 0
    assert set(state["values"]["indicators"]["macd"]) == {"MACD_12_26_9", "MACDh_12_26_9", "MACDs_12_26_9"}
    assert state["values"]["functions"]["volatility"]["volatility"] > 0
    assert (state["source"], state["interval"], state["frequency"]) == ("tick", "1m", None)
    last = orjson.loads(live.redis.lindex("computed_data:BTCUSDT", -1))
    mine = newest(live, private, CRYPTO)
    assert last["configurations"]["crypto"]["values"] == mine["values"] == newest(live, public, CRYPTO)["values"]
    assert list(last["configurations"]) == ["crypto"]  # what every user may read has nothing of somebody's
    assert last["entry_id"] == mine["tick"]
    kept = live.rows("SELECT DISTINCT configuration_id::text, source FROM signal_configuration_results")
    assert sorted(kept) == sorted([(public, "tick"), (private, "tick")])
    kinds = live.rows("SELECT DISTINCT kind, missing FROM signal_computation_metadata WHERE missing = 0")
    assert {kind for kind, _ in kinds} == {"indicators", "functions"}


def test_greeks_are_those_of_the_tick_or_priced_with_other_parameters(live):
    greeks = {"columns": ["delta", "implied_volatility"]}
    usual, other = live.configure(
        {"name": "usual", "instruments": [CALL, SPOT], "greeks": greeks},
        {"name": "other", "instruments": [CALL], "greeks": {**greeks, "params": {"rate": 0.2}}},
    )
    live.publish(chain())
    with live.consumer(**RECORDED):
        live.drain()
        live.publish([option(24_000, "call", ltp=251.0, bid=250.0, ask=252.0)])
        until(lambda: newest(live, other, CALL), 20, "results")
        live.drain()
    state = orjson.loads(live.redis.hget("latest:NSE@NIFTY", CALL))
    assert (
        newest(live, usual, CALL)["values"]["greeks"]["delta"]
        == state["configurations"]["usual"]["values"]["greeks"]["delta"]
    )
    assert state["configurations"]["other"]["values"]["greeks"]["delta"] != state["greeks"]["delta"]
    spot = newest(live, usual, SPOT)
    assert spot["values"]["greeks"] == {"delta": None, "implied_volatility": None}
    assert spot["reasons"]["greeks.delta"] == "it is no option"


def test_a_change_counts_within_seconds_and_what_cannot_be_read_is_left_out_alone(live, servers):
    history(live)
    (first,) = live.configure(DOCUMENT)
    (broken,) = live.configure({**DOCUMENT, "name": "broken"})
    live.execute(f"UPDATE signal_configurations SET document = '{{\"name\": 7}}' WHERE id = '{broken}'")
    with live.consumer(**RECORDED):
        with_values(live, first, CRYPTO)
        (second,) = live.configure({**DOCUMENT, "name": "later", "indicators": ["sma(length=4)"]})
        assert list(with_values(live, second, CRYPTO)["values"]["indicators"]) == ["sma(length=4)"]
        live.configure({**DOCUMENT, "active": False})
        until(lambda: "crypto" not in configured(live), 20, "the end of the first")
        live.drain()
    assert newest(live, broken, CRYPTO) is None


HEAVY = {
    "name": "heavy",
    "instruments": [CRYPTO],
    "interval": "1m",
    "indicators": ["alma", "sma(length=3)"],
    "functions": [{"function": "iv_zscore", "params": {"history": 2}, "label": "with_join"}],
    "join": {"iv": "indicators:sma(length=3)"},
    "bars": 30,
}


def test_heavy_work_comes_back_with_the_identity_of_its_tick(live):
    """What a worker computes: an indicator that has no kernel, and a function that sees what joins."""
    history(live)
    (made,) = live.configure(HEAVY)
    worker = [sys.executable, "-m", "celery", "-A", "signalsite", "worker", "-Q", "urgent", "--pool", "solo"]
    with (
        live.consumer(**RECORDED),
        live.log.open("a") as log,
        subprocess.Popen(worker, cwd=ROOT, env=live.environment, stdout=log, stderr=log) as child,
    ):
        try:

            def answered():
                live.publish([tick(CRYPTO, 101.0)])
                live.drain()
                return [state for state in published(live, made) if "functions" in state["values"]]

            until(answered, 60, "what the worker computes", step=0.3)
        finally:
            child.terminate()
    states = published(live, made)
    heavy = [state for state in states if "functions" in state["values"]][-1]
    light = next(state for state in states if state["tick"] == heavy["tick"] and state is not heavy)
    average = light["values"]["indicators"]["sma(length=3)"]["SMA_3"]
    assert heavy["values"]["functions"]["with_join"]["implied"] == pytest.approx(average), heavy["reasons"]
    assert set(heavy["values"]["indicators"]) == {"alma"} and None not in heavy["values"]["indicators"]["alma"].values()
    assert set(light["values"]["indicators"]) == {"sma(length=3)"}
    assert light["reasons"]["indicators.alma"] == "a worker computes it, in a result of its own"
    assert (heavy["time"], heavy["source"]) == (light["time"], "tick")


def published(live, configuration):
    """Return all results of a configuration, in their order."""
    return [
        orjson.loads(state)
        for _, fields in live.redis.xrange("signal_output_stream:BINANCE@BTCUSDT")
        for topic, state in fields.items()
        if topic.startswith(f"results:{configuration}:")
    ]


def test_a_back_test_runs_both_kinds_with_its_own_time(live):
    """One with a frequency runs at the first tick at or after each due moment, with that moment as its time."""
    with_ticks, every_minute = live.configure(
        {**DOCUMENT, "indicators": ["sma(length=2)"]},
        {**DOCUMENT, "name": "scheduled", "indicators": ["sma(length=2)"], "frequency": "60s"},
    )
    begin = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    prices = [(0, 100.0), (20, 101.0), (60, 102.0), (90, 103.0), (125, 104.0), (290, 105.0)]
    for seconds, price in prices:
        live.publish([tick(CRYPTO, price, ltt=(begin + timedelta(seconds=seconds)).isoformat())])
    with live.consumer("--clock=tick", **RECORDED):
        live.drain(group="backtest")
    rows = "SELECT time, values->'indicators'->'sma(length=2)'->>'SMA_2', source FROM signal_configuration_results"
    scheduled = live.rows(f"{rows} WHERE configuration_id = '{every_minute}' ORDER BY time")
    # At 10:01 the tick of that moment counts, at 10:02 the bar that ended then, at 10:04 the one of 10:02.
    minutes = [
        ((at - begin).total_seconds() / 60, None if value is None else float(value)) for at, value, _ in scheduled
    ]
    assert minutes == [(0, None), (1, 101.5), (2, 102.0), (4, 103.5)]
    assert {source for *_, source in scheduled} == {"backtest"}
    state = newest(live, with_ticks, CRYPTO, "backtest:")
    assert (state["source"], state["time"]) == ("backtest", "2026-03-02T10:04:50+00:00")
    assert state["values"]["indicators"]["sma(length=2)"]["SMA_2"] == 104.5
    assert newest(live, with_ticks, CRYPTO) is None and newest(live, every_minute, CRYPTO) is None


@pytest.mark.parametrize("rounds", [3])
def test_kills_double_no_row_and_the_values_after_equal_those_before(live, rounds):
    history(live)
    (made,) = live.configure(DOCUMENT)
    before = None
    for _ in range(rounds):
        with live.consumer(**RECORDED) as child:
            state = with_values(live, made, CRYPTO)
            live.drain()
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        minute = int(time.time() // 60)
        if before is not None and before[0] == minute:
            for name, value in state["values"]["indicators"].items():
                assert value == pytest.approx(before[1]["values"]["indicators"][name], rel=1e-9)
        before = minute, state
    assert live.rows(ROWS)[0][0] >= 1
