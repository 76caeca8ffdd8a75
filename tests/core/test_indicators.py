"""Indicators: the registry, the kernels against the library, bar by bar against all at once, ragged lengths."""

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest

from signals.indicators.catalogue_of_library import functions, signature_of
from signals.indicators.core import compute
from signals.indicators.core.catalogue import Argument, indicators
from signals.indicators.core.compute import compute_indicators, kernel_of, names_of
from signals.indicators.core.kernel_names import KERNEL_NAMES
from signals.indicators.core.library import build_strategy, example_bars, run_library
from signals.indicators.core.spec import Spec, make_spec, parse_spec, read_spec
from signals.indicators.core.stream import IndicatorStream
from signals.indicators.core.warm_up import warm_up
from signalsite.foundation.errors import InvalidInput

NAMES = sorted(KERNEL_NAMES)
OFFERED = sorted(name for name, each in indicators().items() if not each.missing)


def spec(text: str) -> Spec:
    return parse_spec(text, "indicators")


def bars(count: int, lanes: int = 0) -> dict[str, Any]:
    columns, time = example_bars(count)
    if not lanes:
        return {**columns, "time": time}
    wide = {
        name: np.stack([np.roll(column, 7 * lane) for lane in range(lanes)], axis=1) for name, column in columns.items()
    }
    return {**wide, "time": np.stack([time] * lanes, axis=1)}


def assert_close(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], text: str, tolerance: float = 1e-10
) -> None:
    assert list(ours) == list(theirs), text
    for name, values in theirs.items():
        # A last digit of what cancels is as large as the sums it comes from.
        scale = max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-9)
        np.testing.assert_allclose(ours[name], values, rtol=tolerance, atol=tolerance * scale, err_msg=f"{text} {name}")


def test_the_catalogue_is_that_of_the_library() -> None:
    found = {name: (category, *signature_of(name, function)) for category, name, function in functions()}
    assert found.keys() == indicators().keys()
    for name, (category, inputs, others, arguments) in found.items():
        listed = indicators()[name]
        assert (listed.category, list(listed.inputs)) == (category, inputs)
        assert [each["name"] for each in arguments] == list(listed.arguments)
        for each in arguments:
            mine = listed.arguments[each["name"]]
            assert (mine.default, mine.type.__name__) == (each["default"], each["type"]), name
        assert bool(others) <= bool(listed.missing)


def test_forty_and_more_have_kernels() -> None:
    assert len(NAMES) >= 40 and set(NAMES) <= set(OFFERED)
    assert len(indicators()) == 193 and len(OFFERED) > 175


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_equals_the_library(name: str) -> None:
    chosen = spec(name)
    ours = compute_indicators(bars(500), [chosen])[0]
    columns, time = example_bars(500)
    theirs = run_library(columns, time, [chosen])[0]
    if name == "supertrend":  # the library gives a direction, and at the first bar a trend of 0, without any band
        for output, values in theirs.items():
            values[np.isnan(ours[output]) & np.isin(values, [0.0, 1.0])] = np.nan
    assert_close(ours, theirs, name)
    assert names_of(chosen) == tuple(theirs) == indicators()[name].outputs


def drawn(argument: Argument, chance: random.Random) -> Any:
    if argument.type is int:
        return chance.randint(int(argument.lowest), int(argument.lowest) + chance.choice([0, 1, 4, 40]))
    if argument.type is float:
        low = max(argument.lowest, 0.05 if not argument.inclusive else argument.lowest)
        return round(chance.uniform(low, min(argument.highest, low + 4)), 3) if argument.highest > 1 else 0.4
    return argument.default


@pytest.mark.parametrize("name", NAMES)
def test_with_other_parameters_and_few_bars(name: str) -> None:
    chance, columns = random.Random(name), example_bars(120)
    for count in (120, 120, 3, 1):
        given = {each.name: drawn(each, chance) for each in indicators()[name].arguments.values()}
        if "ddof" in given:
            given["ddof"] = min(given["ddof"], given["length"] - 1)
        chosen = make_spec(name, given, "x")
        some = {each: column[:count] for each, column in columns[0].items()}
        ours = compute_indicators({**some, "time": columns[1][:count]}, [chosen])[0]
        theirs = run_library(some, columns[1][:count], [chosen])[0]
        for output in theirs:
            if count == 120 and name not in ("supertrend", "psar") and output in ours:
                both = ~np.isnan(ours[output]) & ~np.isnan(theirs[output])
                scale = max(float(np.nanmax(np.abs(theirs[output]), initial=0.0)), 1e-3)
                np.testing.assert_allclose(
                    ours[output][both], theirs[output][both], rtol=1e-9, atol=1e-9 * scale, err_msg=str(chosen)
                )
        assert all(len(values) == count for values in ours.values())


def test_bar_by_bar_equals_all_at_once_to_the_last_digit() -> None:
    """The forming bar is looked at several times, with other values, and leaves nothing behind."""
    count, rows = 260, bars(260, lanes=3)
    specs = [spec(name) for name in NAMES] + [spec("sma(length=7,offset=3)"), spec("ema(close=volume)"), spec("hilo")]
    whole = compute_indicators(rows, specs)
    stream = IndicatorStream(specs)
    cuts = [0, 1, 2, 90, 91, *range(200, count + 1)]
    for begin, end in itertools.pairwise(cuts):
        part = {name: column[begin:end] for name, column in rows.items()}
        if end - begin == 1 and begin > 2:
            stream.peek({name: column * (1 if name == "time" else 1.03) for name, column in part.items()})
            seen = stream.peek(part)
        else:
            seen = None
        made = stream.push(part)
        for place, outputs in enumerate(whole):
            for name, values in outputs.items():
                if kernel_of(specs[place]):
                    np.testing.assert_array_equal(made[place][name], values[begin:end], err_msg=name)
                else:
                    np.testing.assert_allclose(made[place][name], values[begin:end], rtol=1e-9, err_msg=name)
                if seen is not None:
                    np.testing.assert_array_equal(made[place][name], seen[place][name], err_msg=name)


def test_loops_of_their_own_equal_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [spec(name) for name in ("ema", "rma", "rsi", "atr", "macd", "bbands", "bbands(length=20,std=2.5,ddof=1)")]
    rows = bars(300, lanes=5)
    fused = compute_indicators(rows, specs)
    kept = [{name: values.copy() for name, values in each.items()} for each in fused]
    monkeypatch.setattr(compute, "FUSED", {})
    for one, other in zip(kept, compute_indicators(rows, specs), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_ragged_lengths_and_missing_volume() -> None:
    specs = [spec(name) for name in [*NAMES, "hilo"]]
    rows = bars(200, lanes=4)
    for lane, length in ((1, 37), (2, 0), (3, 150)):
        for name in ("open", "high", "low", "close", "volume"):
            rows[name][length:, lane] = np.nan
    found = compute_indicators(rows, specs)
    for lane, length in ((0, 200), (1, 37), (2, 0), (3, 150)):
        alone = compute_indicators({name: column[:length, lane] for name, column in rows.items()}, specs)
        for place, outputs in enumerate(alone):
            for name, values in outputs.items():
                np.testing.assert_array_equal(found[place][name][:length, lane], values, err_msg=name)
                assert np.isnan(found[place][name][length:, lane]).all()
    rows["volume"][:] = np.nan
    silent = compute_indicators(rows, [spec(name) for name in ("obv", "mfi", "vwap", "cmf", "ad", "vwma", "efi")])
    assert all(np.isnan(values).all() for outputs in silent for values in outputs.values())


@pytest.mark.parametrize("price", [0.0, 100.0, 1e-300, 1e300])
def test_prices_that_never_move(price: float) -> None:
    rows: dict[str, Any] = {name: np.full(80, price) for name in ("open", "high", "low", "close", "volume")}
    for outputs in compute_indicators(rows, [spec(name) for name in NAMES]):
        assert not any(np.isinf(values).any() for values in outputs.values())


@pytest.mark.parametrize("text", [name for name in NAMES if warm_up(spec(name))])
def test_the_warm_up_is_enough(text: str) -> None:
    chosen, rows = spec(text), bars(7000)
    needed = warm_up(chosen)
    assert needed is not None
    whole = compute_indicators(rows, [chosen])[0]
    begin = 7000 - 20 - needed
    part = compute_indicators({name: column[begin:] for name, column in rows.items()}, [chosen])[0]
    for name, values in whole.items():
        scale = max(float(np.nanmax(np.abs(values[-200:]), initial=0.0)), 1e-9)
        np.testing.assert_allclose(part[name][-20:], values[-20:], rtol=1e-9, atol=1e-9 * scale, err_msg=text)


def test_a_strategy_runs_as_one_and_is_fresh_each_time() -> None:
    specs = [spec("hilo"), spec("rsi(length=5)"), spec("rsi(length=5,scalar=1)"), spec("sma(close=volume)")]
    first, again = build_strategy(specs), build_strategy(specs)
    assert first is not again and first.ta is not again.ta and len(first.ta) == 4
    columns, time = example_bars(90)
    found = run_library(columns, time, specs)
    assert found[1]["RSI_5"][-1] == pytest.approx(100 * found[2]["RSI_5"][-1])
    np.testing.assert_allclose(found[3]["SMA_10"][-1], columns["volume"][-10:].mean())
    assert all("append" in each for each in first.ta) is False  # it has not run


@pytest.mark.parametrize(
    ("value", "field", "text"),
    [
        ("rsj", "f", "nearest are rsx, rsi"),
        ("RSI", "f", "write rsi"),
        ("", "f", "no indicator"),
        ("rsi(" * 5000, "f", "no indicator"),
        ("rsi()()", "f", "no indicator"),
        ("rsi(length)", "f", "no parameter"),
        ("rsi(length=2,length=3)", "f.length", "twice"),
        ("rsi(lenght=2)", "f.lenght", "nearest are length"),
        ("rsi(length=1e400)", "f.length", "whole number"),
        ("rsi(length=0)", "f.length", "from 1 to 1000"),
        ({"kind": "rsi", "length": 10**400}, "f.length", "from 1 to 1000"),
        ({"kind": "rsi", "length": -(10**400)}, "f.length", "from 1 to 1000"),
        ({"kind": "rsi", "length": math.nan}, "f.length", "from 1 to 1000"),
        ({"kind": "rsi", "length": math.inf}, "f.length", "from 1 to 1000"),
        ({"kind": "rsi", "length": 14.5}, "f.length", "whole"),
        ({"kind": "rsi", "length": True}, "f.length", "whole"),
        ({"kind": "rsi", "length": "14"}, "f.length", "whole"),
        ({"kind": "rsi", "length": [[[[[14]]]]]}, "f.length", "whole"),
        ({"kind": "rsi", "length": {"a": 1}}, "f.length", "whole"),
        ({"kind": "bbands", "std": 0}, "f.std", "above 0"),
        ({"kind": "bbands", "mamode": "eval('1')"}, "f.mamode", "one of"),
        ({"kind": "rsi", "talib": True}, "f.talib", "no parameter"),
        ({"kind": "rsi", "fillna": 0}, "f.fillna", "no parameter"),
        ({"kind": "rsi", "append": True}, "f.append", "no parameter"),
        ({"kind": "rsi", "a\n\"'\0" * 99: 1}, "f.", "no parameter"),
        ({"kind": ["rsi"]}, "f", "not a list"),
        ({"kind": "strategy"}, "f", "no indicator"),
        ({"kind": "__class__"}, "f", "no indicator"),
        ({"length": 3}, "f.kind", "missing"),
        ({1: 2, "kind": "rsi"}, "f", "texts"),
        ({str(n): n for n in range(10_000)}, "f", "must be"),
        ([["rsi"]], "f", "must be"),
        (None, "f", "must be"),
        ({"kind": "beta"}, "f", "benchmark"),
        ({"kind": "macd", "offset": -1}, "f.offset", "from 0 to 500"),
        ({"kind": "variance", "length": 3, "ddof": 3}, "f.ddof", "below length"),
    ],
)
def test_what_is_refused(value: Any, field: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_spec(value, "f")
    assert caught.value.field.startswith(field) and len(caught.value.field) < 60
    assert text in str(caught.value) and len(str(caught.value)) < 600


def test_a_spec_reads_back_as_it_is_written() -> None:
    for text in ("rsi", "rsi(length=21)", "bbands(length=20,std=2.5,mamode=ema)", "sma(close=volume,offset=2)"):
        assert str(spec(text)) == text
    assert (
        read_spec({"kind": "rsi", "length": 21.0}, "f") == spec(" rsi(length=21)".strip()) == spec("rsi( length = 21 )")
    )
    assert compute_indicators({"close": np.empty(0)}, [spec("rsi"), spec("hilo")])[0]["RSI_14"].shape == (0,)


def test_outputs_are_never_written_over_while_somebody_holds_them() -> None:
    rows = bars(200, lanes=3)
    first = compute_indicators(rows, [spec("ema"), spec("macd")])
    row = first[1]["MACDs_12_26_9"][150:160, 1]  # a view of a view
    address, before = first[0]["EMA_10"].ctypes.data, row.copy()
    del first
    for _ in range(3):
        other = compute_indicators(
            {name: column * 2 for name, column in rows.items() if name != "time"}, [spec("macd")]
        )
        assert other[0]["MACD_12_26_9"].ctypes.data != address
        np.testing.assert_array_equal(row, before)
    del row, other
    again = compute_indicators(rows, [spec("ema"), spec("macd")])
    there = again[0]["EMA_10"].ctypes.data
    del again
    assert compute_indicators(rows, [spec("ema"), spec("macd")])[0]["EMA_10"].ctypes.data == there


def test_prices_that_stand_still_after_a_move_leave_nothing_to_rounding() -> None:
    """An option that does not trade: a jump, a few small moves, and then one price for hours."""
    moves = np.array([1000.35, 1251.7, 998.15, 1040.9, 1040.95])
    close = np.concatenate([np.tile(moves, 8), np.full(200, 1040.95)])
    bars = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": np.full(len(close), 3.0)}
    windows = [f"{name}(length=7)" for name in ("stdev", "bbands", "zscore", "cci", "sma")]
    found = compute_indicators(bars, [spec(text) for text in (*windows, "kama(length=5)")])
    still = {name: values[-150:] for each in found for name, values in each.items()}
    assert (still["STDEV_7"] == 0.0).all()
    for name in ("BBL_7_2.0", "BBM_7_2.0", "BBU_7_2.0"):
        assert (still[name] == 1040.95).all(), name
    assert (still["BBB_7_2.0"] == 0.0).all()
    for name in ("BBP_7_2.0", "ZS_7", "CCI_7_0.015"):  # nothing to divide by
        assert np.isnan(still[name]).all(), name
    assert still["KAMA_5_2_30"][-1] == pytest.approx(1040.95, rel=1e-5)  # it comes nearer by a little each bar
    assert still["SMA_7"] == pytest.approx(np.full(150, 1040.95), rel=1e-15)
    strength = compute_indicators(bars, [spec("stochrsi")])[0]["STOCHRSIk_14_14_3_3"]
    assert (strength[-100:] == 0.0).all()


def test_a_missing_input_does_not_end_an_adaptive_average() -> None:
    close = np.linspace(100.0, 120.0, 60)
    close[20] = np.nan
    (found,) = compute_indicators({"close": close}, [spec("kama(length=5)")])[0].values()
    assert np.isfinite(found[30:]).all()
