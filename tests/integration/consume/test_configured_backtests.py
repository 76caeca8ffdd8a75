"""Configurations in back-tests: they run with their own time, and do heavy work from their own bars."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.integration.consume.configured import CRYPTO, DOCUMENT, RECORDED, history, newest
from tests.integration.consume.live import tick

REPLAYED = {**RECORDED, "TICK_LEASE_SECONDS": "10"}  # a back-test that loses its lease begins anew with what is stored


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
