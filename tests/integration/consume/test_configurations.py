"""Configurations that run with ticks: what the consumer computes, publishes and keeps of them."""

import signal

import orjson
import pytest

from tests.integration.consume.configured import CRYPTO, DOCUMENT, RECORDED, history, newest
from tests.integration.consume.live import EXPIRY, chain, option, tick
from tests.integration.processes import until

SPOT = "NSE@NIFTY@equity_spot"
CALL = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
BY_WORKER = "a worker computes it, in a result of its own"
COMPLETE = "SELECT DISTINCT kind FROM signal_computation_metadata WHERE missing = 0"
ROWS = "SELECT count(*) FROM signal_configuration_results"


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
        minute = state["time"][:16]  # the tick's: the kill may come in the next one
        if before is not None and before[0] == minute:
            for name, value in state["values"]["indicators"].items():
                assert value == pytest.approx(before[1]["values"]["indicators"][name], rel=1e-9)
        before = minute, state
    assert live.rows(ROWS)[0][0] >= 1
