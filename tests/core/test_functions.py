"""Internal functions beside slow twins, and the checks of names, sources and arguments."""

import json
import math
import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.functions.core.internal import BENCHMARK, SESSION
from signals.functions.core.naming import check_arguments, check_name, check_source, digest_of, read_arguments
from signals.functions.core.registry import INTERNAL, complete, internal_function
from signals.functions.samples import sample_bars, sample_needed
from signalsite.foundation.errors import InvalidInput

BARS = sample_bars(120)
BARS[SESSION] = np.arange(120.0) // 40
BARS[BENCHMARK] = sample_bars(240)["close"][120:]
BARS |= sample_needed(("iv", "delta", "underlying"), BARS)


def run(name: str, bars: Any = BARS, **params: Any) -> dict[str, list[float]]:
    function = INTERNAL[name]
    return {key: each.tolist() for key, each in function.compute(bars, complete(function, params, "params")).items()}


def returns(column: str) -> list[float]:
    values = BARS[column].tolist()
    return [math.nan, *(math.log(b / a) for a, b in pairwise(values))]


def same(found: float, expected: float) -> bool:
    return (math.isnan(found) and math.isnan(expected)) or math.isclose(found, expected, rel_tol=1e-7, abs_tol=1e-12)


@pytest.mark.parametrize("length", [3, 7, 30])
def test_windows_beside_a_slow_twin(length: int) -> None:
    own, other = returns("close"), returns(BENCHMARK)
    found = {
        "realised": run("realised_volatility", length=length)["volatility"],
        "correlation": run("correlation", length=length)["correlation"],
        "beta": run("beta", length=length)["beta"],
        "zscore": run("close_zscore", length=length)["zscore"],
        "parkinson": run("parkinson_volatility", length=length)["volatility"],
        "relative": run("relative_volume", length=length)["relative_volume"],
        "range": run("range_position", length=length)["position"],
    }
    for at in range(120):
        window, a, b = (
            slice(at - length + 1, at + 1),
            own[max(at - length + 1, 0) : at + 1],
            other[at - length + 1 : at + 1],
        )
        enough = at >= length  # returns begin at 1
        expected = {
            "realised": statistics.stdev(a) * math.sqrt(252) if enough else math.nan,
            "correlation": statistics.correlation(a, b) if enough else math.nan,
            "beta": statistics.covariance(a, b) / statistics.variance(b) if enough else math.nan,
        }
        if at >= length - 1:
            close, high, low = (BARS[name][window].tolist() for name in ("close", "high", "low"))
            squares = [math.log(h / w) ** 2 for h, w in zip(high, low, strict=True)]
            expected |= {
                "zscore": (close[-1] - statistics.fmean(close)) / statistics.stdev(close),
                "parkinson": math.sqrt(statistics.fmean(squares) / (4 * math.log(2)) * 252),
                "range": (close[-1] - min(low)) / (max(high) - min(low)),
            }
        if at >= length:
            before = BARS["volume"][at - length : at].tolist()
            expected["relative"] = BARS["volume"][at] / statistics.fmean(before)
        for name, values in found.items():
            assert same(values[at], expected.get(name, math.nan)), (name, at)


def test_pivots_come_from_the_session_before() -> None:
    high, low, close = BARS["high"][40:80].max(), BARS["low"][40:80].min(), BARS["close"][79]
    pivot = (high + low + close) / 3
    classic, fibonacci, camarilla = (run("pivots", method=each) for each in ("classic", "fibonacci", "camarilla"))
    assert all(math.isnan(each) for each in classic["pivot"][:40])
    assert classic["pivot"][80] == classic["pivot"][119] == pytest.approx(pivot)
    assert classic["r1"][90] == pytest.approx(2 * pivot - low) and classic["s2"][90] == pytest.approx(
        pivot - high + low
    )
    assert classic["r3"][90] == pytest.approx(high + 2 * (pivot - low))
    assert fibonacci["r2"][90] == pytest.approx(pivot + 0.618 * (high - low))
    assert camarilla["s3"][90] == pytest.approx(close - 1.1 * (high - low) / 4)


def test_the_opening_range_is_known_when_it_is_over() -> None:
    found = run("opening_range", minutes=15)
    for begin in (0, 40, 80):
        assert all(math.isnan(each) for each in found["high"][begin : begin + 15])
        assert found["high"][begin + 15] == BARS["high"][begin : begin + 15].max()
        assert found["low"][begin + 39] == BARS["low"][begin : begin + 15].min()
        last = BARS["close"][begin + 39]
        assert found["breakout"][begin + 39] == int(last > found["high"][begin + 39]) - int(
            last < found["low"][begin + 39]
        )


def test_a_session_that_the_range_cuts_gives_no_levels() -> None:
    """Its first bars are missing, so its high, low and opening range are not known."""
    begins = BARS["timestamp"][[0, 40, 80]].repeat(40)
    cut = {name: column[5:] for name, column in {**BARS, "session_begin": begins}.items()}
    pivots, opening = run("pivots", cut), run("opening_range", cut)
    assert all(math.isnan(each) for each in pivots["pivot"][:75]) and not math.isnan(pivots["pivot"][75])
    assert all(math.isnan(each) for each in opening["high"][:50])
    assert opening["high"][50] == run("opening_range")["high"][55]


def test_gaps_and_drawdowns() -> None:
    found = run("gap")
    assert math.isnan(found["gap"][0]) and found["gap"][40] == BARS["open"][40] - BARS["close"][39]
    assert found["gap_percent"][119] == pytest.approx(100 * (BARS["open"][80] / BARS["close"][79] - 1))
    down = run("drawdown")
    assert down["drawdown_percent"][50] == pytest.approx(100 * (BARS["close"][50] / BARS["close"][:51].max() - 1))
    assert down["worst_percent"][-1] == min(down["drawdown_percent"])


def test_the_zscore_of_volatility() -> None:
    found = run("volatility_zscore", length=5, history=10)
    volatility = run("realised_volatility", length=5)["volatility"]
    window = volatility[50:60]
    assert found["zscore"][59] == pytest.approx((window[-1] - statistics.fmean(window)) / statistics.stdev(window))


@pytest.mark.parametrize("name", INTERNAL)
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 20])
@pytest.mark.parametrize("fill", [0.0, -1.0, math.nan, math.inf, 1e308, 5.0])
def test_odd_bars_give_null_and_no_error(name: str, rows: int, fill: float) -> None:
    bars = {column: np.full(rows, fill) for column in (*BARS,)}
    bars["timestamp"], bars[SESSION] = np.arange(float(rows)) * 60, np.arange(float(rows)) // 2
    with np.errstate(all="ignore"):
        found = run(name, bars)
    assert found.keys() == INTERNAL[name].outputs.keys()
    assert all(len(each) == rows for each in found.values())


@pytest.mark.parametrize("name", INTERNAL)
def test_every_function_documents_itself(name: str) -> None:
    function = INTERNAL[name]
    assert function.formula and function.source and function.summary and function.outputs and function.version >= 1
    assert run(name).keys() == function.outputs.keys()
    for argument in function.arguments:
        assert argument.help and (argument.choices or argument.lowest <= argument.default <= argument.highest)


@pytest.mark.parametrize(
    ("name", "params", "field", "says"),
    [
        ("beta", {"lenght": 5}, "params.lenght", "the nearest are length"),
        ("beta", {"length": "5"}, "params.length", "whole number"),
        ("beta", {"length": True}, "params.length", "whole number"),
        ("beta", {"length": 1e400}, "params.length", "whole number"),
        ("beta", {"length": math.nan}, "params.length", "whole number"),
        ("beta", {"length": 10**400}, "params.length", "whole number"),
        ("beta", {"length": 2.5}, "params.length", "whole number"),
        ("pivots", {"method": ["classic"]}, "params.method", "one of"),
        ("pivots", {"x" * 10_000: 1}, f"params.{'x' * 64}", "no such"),
    ],
)
def test_bad_arguments_name_the_field(name: str, params: Any, field: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as error:
        complete(INTERNAL[name], params, "params")
    assert error.value.field == field


def test_an_unknown_function_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="nearest are pivots"):
        internal_function("pivot", "function")
    with pytest.raises(InvalidInput, match="there are beta"):
        internal_function("\x00" * 10_000, "function")


@pytest.mark.parametrize("text", ["", "A", "a-b", "a\n", "é", "_a", "1", "a" * 65, "a b"])
def test_bad_names(text: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(text)


@pytest.mark.parametrize("text", ["", " \n", "a\x00", "\ud800", "x" * 65_537, "ä" * 40_000])
def test_bad_sources(text: str) -> None:
    with pytest.raises(InvalidInput):
        check_source(text)
    assert len(digest_of("x")) == 64


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": "' + "x" * 9000 + '"}', '{"a":' * 9 + "1" + "}" * 9],
)
def test_bad_argument_texts(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_arguments(text, "arguments")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", max_size=3), _JSON, max_size=3))
def test_arguments_are_kept_as_they_are(given: Any) -> None:
    try:
        assert read_arguments(json.dumps(given), "arguments") == given == check_arguments(given, "params")
    except InvalidInput as error:
        assert "deeply" in str(error)
