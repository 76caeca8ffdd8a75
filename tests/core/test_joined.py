"""Joined columns in memory, and the functions of ours that need them, beside slow twins."""

import math
import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from signals.functions.core.internal import COLUMNS, JOINABLE, SESSION, SESSION_BEGIN
from signals.functions.core.joined import aligned, joined_columns, warm_up_of, why_empty
from signals.functions.core.joins import parse_join, parse_joins
from signals.functions.core.registry import INTERNAL, complete
from signals.functions.samples import sample_bars, sample_joined, sample_needed
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.spec import parse_spec
from signals.indicators.core.warm_up import MOST_WARM_UP

SIZE = 90
BARS = sample_bars(SIZE)
TIME = (BARS["timestamp"] * 1e6).astype(np.int64)
NEEDED = BARS | sample_needed(("iv", "delta", "underlying"), BARS)
SPOT = "NSE@NIFTY@equity_spot"


def run(name: str, bars: Any = NEEDED, **params: Any) -> dict[str, list[float]]:
    function = INTERNAL[name]
    return {key: each.tolist() for key, each in function.compute(bars, complete(function, params, "params")).items()}


def same(found: float, expected: float) -> bool:
    return (math.isnan(found) and math.isnan(expected)) or math.isclose(found, expected, rel_tol=1e-7, abs_tol=1e-12)


def test_each_kind_joins_at_the_times_of_the_bars() -> None:
    joins = parse_joins(
        {"spot": f"bars:{SPOT}:close", "slow": "indicators:rsi(length=5)", "iv": "greeks:iv", "none": "greeks:delta"},
        "join",
    )
    others = {SPOT: (TIME[::2], {"close": BARS["close"][::2]})}
    found = joined_columns(joins, {**BARS, "time": TIME}, greeks={"implied_volatility": NEEDED["iv"]}, others=others)
    assert list(found) == ["spot", "slow", "iv", "none"]
    assert found["spot"][::2].tolist() == BARS["close"][::2].tolist() and np.isnan(found["spot"][1::2]).all()
    made = compute_indicators({**BARS, "time": TIME}, [parse_spec("rsi(length=5)", "x")])[0]["RSI_5"]
    np.testing.assert_array_equal(found["slow"], made)
    assert found["iv"] is NEEDED["iv"] and np.isnan(found["none"]).all()


def test_an_instrument_that_is_not_there_joins_as_nan() -> None:
    found = joined_columns(parse_joins({"x": f"bars:{SPOT}:volume"}, "join"), {"time": TIME}, greeks={}, others={})
    assert len(found["x"]) == SIZE and np.isnan(found["x"]).all()


@pytest.mark.parametrize(
    ("times", "values", "expected"),
    [
        ([], [], [math.nan, math.nan, math.nan]),
        ([20], [2.0], [math.nan, 2.0, math.nan]),
        ([5, 10, 30, 40], [1.0, 2.0, 3.0, 4.0], [2.0, math.nan, 3.0]),
    ],
)
def test_aligns_by_time(times: list[int], values: list[float], expected: list[float]) -> None:
    found = aligned(np.array([10, 20, 30]), np.array(times, np.int64), np.array(values))
    assert all(map(same, found.tolist(), expected))


def test_warm_up_is_that_of_the_longest() -> None:
    assert warm_up_of(()) == 0
    joins = parse_joins({"a": "indicators:sma(length=5)", "b": "indicators:sma(length=50)"}, "join")
    assert 49 <= warm_up_of(joins) <= 51
    assert warm_up_of(parse_joins({"a": "indicators:obv"}, "join")) == MOST_WARM_UP


@pytest.mark.parametrize("text", ["greeks:iv", "indicators:rsi", f"bars:{SPOT}:close"])
def test_says_why_a_column_is_empty(text: str) -> None:
    assert why_empty(parse_join(text, "x"))
    assert why_empty(parse_join("greeks:iv", "x"), "no option") == "no option"


def test_sample_columns_are_the_same_each_time() -> None:
    joins = parse_joins({"rsi": "indicators:rsi", "iv": "greeks:iv", "other": f"bars:{SPOT}:volume"}, "join")
    found, again = sample_joined(joins, BARS), sample_joined(joins, BARS)
    assert list(found) == ["rsi", "iv", "other"]
    for name, column in found.items():
        assert len(column) == SIZE and np.isfinite(column[20:]).all()
        np.testing.assert_array_equal(column, again[name])


def test_every_column_that_a_function_needs_can_be_had() -> None:
    there = {*COLUMNS, SESSION, SESSION_BEGIN, "benchmark", *JOINABLE}
    assert all(set(function.needs) <= there for function in INTERNAL.values())


@pytest.mark.parametrize(("unit", "times"), [("decimal", 1.0), ("percent", 100.0)])
def test_the_premium_is_implied_less_realised(unit: str, times: float) -> None:
    bars = NEEDED | {"iv": NEEDED["iv"] * times}
    found = run("volatility_premium", bars, length=10, bars_per_year=94_500, iv_in=unit)
    returns = [math.nan, *(math.log(b / a) for a, b in pairwise(NEEDED["underlying"].tolist()))]
    for at, implied in enumerate(NEEDED["iv"].tolist()):
        realised = statistics.stdev(returns[at - 9 : at + 1]) * math.sqrt(94_500) if at >= 10 else math.nan
        assert same(found["realised"][at], realised) and same(found["implied"][at], implied)
        assert same(found["premium"][at], implied - realised)
        assert same(found["variance_premium"][at], implied**2 - realised**2)


def test_implied_volatility_in_its_own_history() -> None:
    iv = NEEDED["iv"].copy()
    iv[40] = math.nan
    found = run("iv_zscore", {"iv": iv}, history=12)
    for at in range(SIZE):
        window = iv[max(at - 11, 0) : at + 1].tolist()
        if len(window) < 12 or any(math.isnan(each) for each in window):
            assert all(math.isnan(found[name][at]) for name in ("zscore", "rank", "percentile"))
            continue
        now = window[-1]
        assert same(found["zscore"][at], (now - statistics.fmean(window)) / statistics.stdev(window))
        assert same(found["rank"][at], (now - min(window)) / (max(window) - min(window)))
        assert same(found["percentile"][at], sum(each < now for each in window[:-1]) / 11)


def test_a_hedged_gain_is_what_delta_leaves() -> None:
    close, delta, spot = (NEEDED[name].copy() for name in ("close", "delta", "underlying"))
    delta[30] = math.nan
    found = run("hedged_gain", {"close": close, "delta": delta, "underlying": spot})
    total = 0.0
    for at in range(SIZE):
        gain = close[at] - close[at - 1] - delta[at - 1] * (spot[at] - spot[at - 1]) if at else math.nan
        total += 0.0 if math.isnan(gain) else gain
        assert same(found["gain"][at], gain)
        assert same(found["total"][at], math.nan if math.isnan(gain) else total)
        assert same(found["unhedged"][at], close[at] - close[at - 1] if at else math.nan)


def test_a_perfect_hedge_gains_nothing() -> None:
    spot = BARS["close"]
    found = run("hedged_gain", {"close": 0.5 * spot, "delta": np.full(SIZE, 0.5), "underlying": spot})
    assert np.allclose(found["gain"][1:], 0.0, atol=1e-9)
