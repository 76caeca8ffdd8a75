"""Bars in memory equal those that the tables would have, and indicators on them those of all bars at once."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ticks.core.forming_indicators import FormingIndicator, columns_of
from realtime.ticks.core.rests import Rests
from realtime.ticks.core.window_bars import TOGETHER, SeriesKind, WindowBars, parts_of
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.spec import parse_spec
from signals.indicators.core.warm_up import warm_up
from timeframes.core.bars import TickColumns, join_folded
from timeframes.core.fold import fold
from timeframes.core.grid import SECOND, Anchor, make_grid, microseconds

OPENING = microseconds(datetime(2026, 11, 27, 3, 45, tzinfo=UTC))  # of a Friday at NSE
KIND = SeriesKind("NSE", 60, Anchor.SESSION)


def folded(times, prices, volumes):
    """Return the bars of these ticks by the fold of the tables."""
    day = datetime(2026, 11, 27, tzinfo=UTC).date()
    nothing = np.full(len(times), np.nan)
    return fold({}, TickColumns(time=times, price=prices, volume=volumes, open_interest=nothing),
                make_grid("NSE", 60, Anchor.SESSION, day, day))  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 90 * SECOND), st.integers(1, 9), st.integers(0, 50)), min_size=1, max_size=60),
    st.integers(1, 7),
)
@settings(max_examples=60, deadline=None)
def test_ticks_fold_as_in_the_tables(ticks, portion):
    times = OPENING + np.cumsum([gap for gap, _, _ in ticks]).astype(np.int64)
    prices = np.array([float(price) for _, price, _ in ticks])
    volumes = np.array([np.nan if volume > 40 else float(volume) for _, _, volume in ticks])
    series = WindowBars(KIND, 10)
    lane = series.add("a")
    series.known[:] = True
    for begin in range(0, len(times), portion):
        part = slice(begin, begin + portion)
        some = np.arange(len(times))[part]
        made = series.apply(some, np.full(len(some), lane), times[part], prices[part], volumes[part])
    expected = folded(times, prices, volumes)
    window = {name: column[:, -1] for name, column in series.windows(made, 11).items()}
    count = min(len(expected), 11)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(window[name][-count:], getattr(expected, name)[-count:], err_msg=name)
        assert np.isnan(window[name][:-count]).all()
    np.testing.assert_array_equal(window["timestamp"][-count:], expected.time[-count:] / SECOND)


def test_bars_of_a_part_stay_where_they_are_until_they_are_read():
    """A lane may get as many new bars as a part has, when it has no more room than that."""
    series = WindowBars(KIND, 10)
    lane = series.add("a")
    series.known[:] = True
    for times in (OPENING + np.arange(300) * 60 * SECOND, OPENING + 300 * 60 * SECOND + np.arange(2_000) * SECOND):
        prices = np.arange(len(times), dtype=float)
        for part in parts_of(times):
            some = np.arange(len(times))[part]
            ticks = series.apply(some, np.full(len(some), lane), times[part], prices[part], prices[part])
            newest = series.windows(ticks, 3)
            np.testing.assert_array_equal(newest["close"][-1], prices[ticks.places])
            gaps = np.diff(newest["timestamp"], axis=0)
            assert np.isnan(gaps).sum() <= 3 and np.nanmin(gaps, initial=60) == np.nanmax(gaps, initial=60) == 60


def test_ticks_of_a_few_hours_are_one_part():
    assert parts_of(OPENING + np.arange(4_000) * 3 * SECOND) == [slice(0, 4_000)]
    assert len(parts_of(OPENING + np.arange(4_000) * 60 * SECOND)) == -(-4_000 // TOGETHER)


def test_late_ticks_make_a_lane_doubtful_and_ticks_outside_the_session_are_in_no_bar():
    series = WindowBars(KIND, 5)
    lanes = np.array([series.add("a"), series.add("b")])
    series.known[:] = True
    one = np.ones(1)
    series.apply(np.zeros(1, np.intp), lanes[:1], np.array([OPENING + 90 * SECOND]), one, one)
    late = series.apply(np.zeros(1, np.intp), lanes[:1], np.array([OPENING]), one, one)
    before = series.apply(np.zeros(1, np.intp), lanes[1:], np.array([OPENING - SECOND]), one, one)
    assert len(late.lanes) == len(before.lanes) == 0
    assert [each.key for each in series.unloaded()] == ["a"]


TICKS = st.tuples(st.integers(-150, 90), st.integers(1, 9), st.integers(0, 60))


def columns(ticks):
    """Return ticks (arrived in this order) as columns in the order of their times."""
    times, prices, volumes = (np.array([each[name] for each in ticks]) for name in range(3))
    order = np.argsort(times, kind="stable")
    return times[order].astype(np.int64), prices[order].astype(float), volumes[order].astype(float)


def loadable(ticks):
    bars = folded(*columns(ticks)) if ticks else join_folded([])
    return bars, np.full(len(bars), OPENING)


@given(
    st.lists(TICKS, max_size=8), st.lists(st.lists(TICKS, min_size=1, max_size=5), min_size=1, max_size=10), st.data()
)
@settings(max_examples=150, deadline=None)
def test_late_ticks_and_loads_at_any_time_give_the_bars_of_the_tables(before, portions, data):
    """Ticks come in any order. What is read has all that came before, and any number of those after."""
    clock = OPENING + 600 * SECOND

    def drawn(ticks):
        nonlocal clock
        made = []
        for gap, price, volume in ticks:
            clock += max(gap, 0) * SECOND
            time = clock + min(gap, 0) * SECOND
            made.append((time, price, np.nan if volume > 50 else volume + (time - OPENING) // (4 * SECOND)))
        return made

    came = drawn(before)
    series = WindowBars(KIND, 60)
    lane = series.add("a", max((each[0] for each in came), default=-(2**62)))
    asked = read = None
    for portion in portions:
        if asked is None and data.draw(st.booleans()) and (waiting := series.unloaded()):
            asked, stored = waiting[0], len(came)
        ticks = drawn(portion)
        times, prices, volumes = (np.array([each[name] for each in ticks]) for name in range(3))
        came += ticks
        floats = prices.astype(float), volumes.astype(float)
        made = series.apply(np.arange(len(ticks)), np.full(len(ticks), lane), times, *floats)
        if asked is not None and read is None and data.draw(st.booleans()):
            read = loadable(came[: data.draw(st.integers(stored, len(came)))])
        elif read is not None and data.draw(st.booleans()):
            series.load_asked(asked, *read)
            asked = read = None
        if len(made.lanes) and made.places[-1] == len(ticks) - 1:
            check(series, made.take(np.array([len(made.lanes) - 1])), came)
    for each in series.unloaded():
        series.load_asked(each, *loadable(came))
    assert not series.unloaded()
    check(series, series.newest(np.zeros(1, np.intp), ["a"]), came)


def check(series, tick, came):
    expected = folded(*columns(came))
    window = {name: column[:, -1] for name, column in series.windows(tick, 61).items()}
    count = min(len(expected), 61)
    np.testing.assert_array_equal(window["timestamp"][-count:], expected.time[-count:] / SECOND)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(window[name][-count:], getattr(expected, name)[-count:], err_msg=name)
    assert np.isnan(window["close"][:-count]).all()


def test_what_was_asked_before_a_lane_began_anew_is_not_taken():
    series = WindowBars(KIND, 5)
    series.add("a")
    (first,) = series.unloaded()
    series.remove("a")
    series.add("a")
    series.load_asked(first, *loadable([(OPENING, 1, 1)]))
    assert [each.key for each in series.unloaded()] == ["a"]
    (second,) = series.unloaded()
    series.doubt()
    series.load_asked(second, *loadable([(OPENING, 1, 1)]))
    assert series.unloaded()


def test_in_a_back_test_a_tick_from_before_the_first_is_left_out():
    series = WindowBars(KIND, 5, again=False)
    lane, one = np.array([series.add("a")]), np.ones(1)
    series.load("a", *loadable([]))
    series.apply(np.zeros(1, np.intp), lane, np.array([OPENING + 90 * SECOND]), one, one)
    assert not len(series.apply(np.zeros(1, np.intp), lane, np.array([OPENING]), 2 * one, one).lanes)
    assert not series.unloaded()
    assert len(series.apply(np.zeros(1, np.intp), lane, np.array([OPENING + 95 * SECOND]), one, one).lanes)


@pytest.mark.parametrize("text", ["rsi(length=4)", "macd(fast=3,slow=5,signal=2)", "bbands(length=4)", "atr(length=3)",
                                  "supertrend(length=3)", "vwap", "stoch(k=4,d=2,smooth_k=2)"])  # fmt: skip
def test_indicators_of_forming_bars_equal_those_of_all_bars(text):
    spec = parse_spec(text, "indicators")
    bars = max(warm_up(spec) or 30, 30)
    random, series = np.random.default_rng(3), WindowBars(KIND, bars + 5)
    lanes = np.array([series.add(str(number)) for number in range(5)])
    series.known[:] = True
    indicator, time = FormingIndicator(spec, bars), OPENING
    for step in range(60):
        count = 1 + step % 7
        some = random.integers(0, 4 if step < 30 else 5, count)  # one lane begins later, and has fewer bars
        times = time + np.sort(random.integers(0, 200, count)) * SECOND
        time = int(times[-1])
        prices, volumes = 100 + random.standard_normal(count).cumsum(), np.full(count, 10.0 * step)
        ticks = series.apply(np.arange(count), lanes[some], times, prices, volumes)
        found = indicator.values(series, ticks)
        whole = columns_of(series.windows(ticks, bars + 1))
        for place in range(count):
            own = {name: column[:, place : place + 1] for name, column in whole.items()}
            first = int(np.isnan(own["close"]).sum())
            expected = compute_indicators({name: column[first:] for name, column in own.items()}, [spec])[0]
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name][place], values[-1, 0], err_msg=f"{name} at {step}")


def test_slow_computations_rest_for_longer_each_time():
    rests = Rests()
    assert not rests.measured("a", 0.005, 0.01, 0.0) and rests.reason("a", 0.0) is None
    assert rests.measured("a", 0.02, 0.01, 1.0)
    assert rests.reason("a", 1.5) == "took longer than 10 ms; it is computed again after 1 s"
    assert rests.reason("a", 2.1) is None and rests.reason("b", 1.5) is None
    assert rests.measured("a", 0.02, 0.01, 3.0) and rests.reason("a", 4.9) and rests.reason("a", 5.1) is None
    assert not rests.measured("a", 0.001, 0.01, 9.0)
    assert rests.measured("a", 0.02, 0.01, 9.5) and rests.reason("a", 10.4) and rests.reason("a", 10.6) is None
