"""Configurations that run with ticks: what the consumer computes, publishes and keeps of them."""

import signal
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from tests.integration.consume.live import EXPIRY, chain, option, tick
from tests.integration.processes import until

SPOT = "NSE@NIFTY@equity_spot"
CALL = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
CRYPTO = "BINANCE@BTCUSDT@crypto_spot"  # trades around the clock: its ticks are always in a bar
RECORDED = {"CONFIG_RECORD_SECONDS": "1", "CONFIG_TICK_SECONDS": "5"}
BY_WORKER = "a worker computes it, in a result of its own"
COMPLETE = "SELECT DISTINCT kind FROM signal_computation_metadata WHERE missing = 0"
REPLAYED = {**RECORDED, "TICK_LEASE_SECONDS": "10"}  # a back-test that loses its lease begins anew with what is stored
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
        until(lambda: with_values(live, public, CRYPTO) and len(live.rows(COMPLETE)) == 2, 20, "rows")
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
    assert set(live.rows(COMPLETE)) == {("indicators",), ("functions",)}


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
    worker = ("-A", "signalsite", "worker", "-Q", "slow", "--pool", "solo")
    found = []  # of ticks whose bars were in memory
    with live.consumer(**RECORDED), live.consumer(*worker, script="from celery.__main__ import main\nmain()"):

        def answered():
            live.publish([tick(CRYPTO, 101.0)])
            live.drain()
            states = published(live, made)
            averages = [(state["tick"], state["values"]["indicators"].get("sma(length=3)")) for state in states]
            loaded = {entry for entry, average in averages if average and average["SMA_3"] is not None}
            return [state for state in states if "functions" in state["values"] and state["tick"] in loaded]

        until(lambda: found.extend(answered()) or found, 60, "what the worker computes", step=0.3)
    heavy, states = found[-1], published(live, made)
    light = next(state for state in states if state["tick"] == heavy["tick"] and "functions" not in state["values"])
    average = light["values"]["indicators"]["sma(length=3)"]["SMA_3"]
    assert heavy["values"]["functions"]["with_join"]["implied"] == pytest.approx(average), heavy["reasons"]
    assert set(heavy["values"]["indicators"]) == {"alma"} and None not in heavy["values"]["indicators"]["alma"].values()
    assert set(light["values"]["indicators"]) == {"sma(length=3)"}
    assert light["reasons"]["indicators.alma"] == BY_WORKER
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
    assert live.redis.llen("urgent") == 0  # no worker is asked
    assert newest(live, with_ticks, CRYPTO) is None and newest(live, every_minute, CRYPTO) is None


FUTURE = "BINANCE@BTCUSDT@crypto_futures@2027-06-25"  # of the same underlying, so its ticks are in the same stream
SOURCE = """
def compute(data, params):
    return {
        "bars": len(data["close"]),
        "mean": data["close"].mean(),
        "high": data["high"][-1],
        "average": data["average"][-1],
        "other": data["other"][-1],
        "far": data["far"][-1],
        "iv": data["iv"][-1],
        "scaled": params["times"] * data["close"][-1],
    }
"""
OWN = {
    **DOCUMENT,
    "indicators": ["sma(length=2)", "alma(length=3)"],
    "functions": [{"function": "beta", "params": {"length": 2}, "label": "beta"}],
    "external_functions": [{"function": "mine/own", "params": {"times": 2}, "label": "own"}],
    "join": {
        "average": "indicators:sma(length=2)",
        "other": f"bars:{FUTURE}:close",
        "far": "bars:BINANCE@ETHUSDT@crypto_spot:close",
        "benchmark": f"bars:{FUTURE}:close",
        "iv": "greeks:iv",
    },
    "bars": 3,
}
BEGIN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def replay(live, count=40):
    """Publish ticks of two instruments in turn, 17 s apart, and return them as (seconds, instrument, price)."""
    ticks = [
        (17 * place, CRYPTO if place % 2 else FUTURE, 100.0 + (place * 7 % 11) + place % 2 * 3)
        for place in range(count)
    ]
    for seconds, key, price in ticks:
        live.publish([tick(key, price, ltt=(BEGIN + timedelta(seconds=seconds)).isoformat())])
    return ticks


def bars_until(ticks, key, seconds):
    """Return the prices in each minute of what came up to then, the slow way."""
    found = {}
    for at, of, price in ticks:
        if of == key and at <= seconds:
            found.setdefault(at // 60, []).append(price)
    return found


def expected(ticks, seconds):
    bars, other = bars_until(ticks, CRYPTO, seconds), bars_until(ticks, FUTURE, seconds)
    closes = [prices[-1] for prices in bars.values()]
    newest = max(bars)
    weights = np.exp(-0.5 * ((np.arange(3) - 0.85 * 2) * 6.0 / 3) ** 2)[::-1]  # the first is of the newest close
    return {
        "bars": len(closes[-4:]),
        "mean": np.mean(closes[-4:]),
        "high": max(bars[newest]),
        "average": np.mean(closes[-2:]) if len(closes) > 1 else None,
        "other": other[newest][-1] if newest in other else None,
        "far": None,
        "iv": None,
        "scaled": 2 * closes[-1],
    }, float(np.sum(weights * closes[-3:]) / weights.sum()) if len(closes) > 2 else None


def kept(live, configuration):
    """Return values and reasons of stored results, by seconds since the beginning."""
    rows = live.rows(
        "SELECT time, values, reasons FROM signal_configuration_results"
        f" WHERE configuration_id = '{configuration}' ORDER BY time"
    )
    return {round((at - BEGIN).total_seconds()): (values, reasons) for at, values, reasons in rows}


def test_a_back_test_computes_heavy_work_from_its_own_ticks_up_to_each(live):
    """All ticks may be in one batch: a function sees those up to its own, in the consumer, and no worker is asked."""
    history(live)  # of today, which a worker would read
    live.upload("own", SOURCE)
    with_ticks, scheduled = live.configure(OWN, {**OWN, "name": "scheduled", "frequency": "60s"})
    ticks = replay(live)
    with live.consumer("--clock=tick", **REPLAYED):
        live.drain(group="backtest")
    first = kept(live, with_ticks)
    assert [*first] == [at for at, key, _ in ticks if key == CRYPTO], live.log.read_text()[-3000:]
    due = kept(live, scheduled)
    assert len(due) > 8
    for seconds, (values, _) in [*first.items(), *due.items()]:
        own, alma = expected(ticks, seconds)
        assert values["external_functions"]["own"] == pytest.approx(own), seconds
        assert [*values["indicators"]["alma(length=3)"].values()] == pytest.approx([alma]), seconds
        assert "sma(length=2)" in values["indicators"]
    values, reasons = first[max(at for at in first if expected(ticks, at)[0]["other"])]
    assert values["functions"]["beta"]["beta"] is not None
    assert reasons == {"external_functions.own": "far has no value at the newest bar"}
    state = newest(live, with_ticks, CRYPTO, "backtest:")
    assert ((state["values"], state["reasons"]), state["source"]) == (first[max(first)], "backtest")
    assert live.redis.llen("slow") == live.redis.llen("urgent") == 0
    live.redis.flushall()
    live.execute("TRUNCATE signal_configuration_results, backtest_ticks")
    replay(live)
    with live.consumer("--clock=tick", **{**REPLAYED, "TICK_BATCH": "3"}):  # other batches, the same values
        live.drain(group="backtest")
    assert kept(live, with_ticks) == first and kept(live, scheduled) == due


def test_without_a_sandbox_a_back_test_has_a_reason(live):
    live.upload("own", SOURCE)
    (made,) = live.configure({**OWN, "join": {}, "functions": []})
    replay(live, 6)
    with live.consumer("--clock=tick", FUNCTIONS_ENABLED="false", **REPLAYED):
        live.drain(group="backtest")
    results = kept(live, made)
    assert len(results) == 3
    for values, reasons in results.values():
        assert values["external_functions"]["own"] is None
        assert "FUNCTIONS_ENABLED is off" in reasons["external_functions.own"]


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
