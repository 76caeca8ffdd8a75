"""The fold against its slow twin, on random markets; and its rules one by one."""

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from tests.core.bar_columns import assert_same, bar_columns, tick_columns
from tests.core.slow_fold import Row, Tick, random_market, slow_fold
from timeframes.core.bars import FoldedBars
from timeframes.core.fold import fold, tick_bars
from timeframes.core.grid import Anchor, Grid, make_grid
from timeframes.core.sessions import session_open
from timeframes.core.timeframe import Months, Timeframe, parse_timeframe

DAY = date(2024, 1, 2)
DAYS = (date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 22), date(2024, 3, 2), date(2024, 11, 1))
TIMEFRAMES = ("1s", "45s", "1m", "90s", "5m", "7m", "13m", "1h", "5h", "7h", "1d", "2d", "1w", "2w", "1mo", "3mo")
CASES = [
    (exchange, text, anchor) for exchange in ("NSE", "BINANCE", "NYSE") for text in TIMEFRAMES for anchor in Anchor
]


@pytest.mark.parametrize(("exchange", "text", "anchor"), CASES)
def test_random_markets(exchange: str, text: str, anchor: Anchor) -> None:
    timeframe = parse_timeframe(text)
    chance = random.Random(f"{exchange} {text} {anchor}")
    bars, ticks = random_market(chance, exchange, DAYS, ticks_a_day=120)
    grid = make_grid(exchange, timeframe, anchor, DAYS[0] - timedelta(days=1), DAYS[-1] + timedelta(days=1))
    for some_bars, some_ticks in ((bars, ticks), ({}, ticks), (bars, [])):
        columns = {seconds: bar_columns(rows) for seconds, rows in some_bars.items()}
        found = fold(columns, tick_columns(some_ticks), grid)
        wanted = slow_fold(exchange, timeframe, anchor, some_bars, some_ticks)
        assert_same(found, wanted)
        assert wanted or (not some_ticks and grid.step and text in ("1s", "45s", "90s"))


def ticks(*rows: tuple[str, float, float | None]) -> FoldedBars:
    """Fold ticks of DAY (clock in Kolkata, price, cumulative volume) into minutes."""
    moments = [
        Tick(datetime.fromisoformat(f"2024-01-02T{clock}+05:30"), (number, 0), price, volume, None)
        for number, (clock, price, volume) in enumerate(rows)
    ]
    return fold({}, tick_columns(moments), grid("1m"))


def grid(text: str, anchor: Anchor = Anchor.SESSION) -> Grid:
    return make_grid("NSE", parse_timeframe(text), anchor, DAY, DAY)


def test_volume_is_the_difference_of_the_sessions_volume() -> None:
    bars = ticks(("09:15:01", 100, 500), ("09:15:59.999999", 101, 700), ("09:16:00", 102, 1_000))
    assert bars.volume.tolist() == [700, 300]
    assert bars.vwap.tolist() == [(500 * 100 + 200 * 101) / 700, 102]
    assert bars.trades.tolist() == [2, 1]


def test_a_fall_of_the_volume_is_not_negative_and_does_not_count_twice() -> None:
    bars = ticks(("09:15:01", 100, 500), ("09:16:01", 100, 450), ("09:17:01", 100, 520), ("09:18:01", 100, 3))
    assert bars.volume.tolist() == [500, 0, 20, 0]
    assert np.isnan(bars.vwap).tolist() == [False, True, False, True]


def test_the_volume_begins_at_zero_with_each_session() -> None:
    moments = [datetime(2024, 1, day, 4, tzinfo=UTC) for day in (2, 3)]
    two = [Tick(time, (number, 0), 100.0, 900.0 - number, None) for number, time in enumerate(moments)]
    days = make_grid("NSE", 86_400, Anchor.SESSION, DAY, DAY + timedelta(days=1))
    assert fold({}, tick_columns(two), days).volume.tolist() == [900, 899]


def test_a_tick_without_volume_brings_none_and_hides_none() -> None:
    bars = ticks(("09:15:01", 100, None), ("09:16:01", 100, None), ("09:16:02", 100, 40), ("09:17:00", 99, None))
    assert str(bars.volume.tolist()) == "[nan, 40.0, nan]"
    assert str(bars.trades.tolist()) == "[nan, 1.0, nan]"


def test_pre_open_and_late_prints_are_in_no_bar_of_the_session_and_the_closing_moment_is() -> None:
    bars = ticks(("09:14:59.999999", 90, 5), ("09:15:00", 100, 10), ("15:30:00", 101, 20), ("15:30:00.000001", 9, 30))
    assert bars.open.tolist() == [100, 101]
    assert bars.time[-1] == grid("1m").ends[0] - 60_000_000
    assert bars.volume.sum() == 20


def test_a_seven_minute_bar_begins_at_the_opening_and_the_last_is_cut_at_the_close() -> None:
    seven = grid("7m")
    assert seven.bar(seven.begins, np.array([0])) == seven.begins
    last = seven.bar(seven.ends - 1, np.array([0]))
    assert (seven.ends - last)[0] == 4 * 60_000_000  # 375 minutes are 53 times 7, and 4
    assert seven.bar_ends(last) == seven.ends


def test_of_bars_of_several_lengths_the_longest_count_and_shorter_ones_fill_the_gaps() -> None:
    opening = session_open("NSE", DAY)
    minutes = [Row(opening + timedelta(minutes=n), 1, 1, 1, 1, 1, None, None, None) for n in range(10)]
    five = [Row(opening + timedelta(minutes=5), 9, 9, 9, 9, 9, None, None, None)]
    found = fold({60: bar_columns(minutes), 300: bar_columns(five)}, None, grid("5m"))
    assert found.open.tolist() == [1, 9]
    assert found.volume.tolist() == [5, 9]
    assert fold({300: bar_columns(five)}, None, grid("7m")).open.tolist() == []  # five minutes straddle seven


def test_a_part_without_an_average_counts_with_its_typical_price() -> None:
    opening = session_open("NSE", DAY)
    rows = [
        Row(opening, 10, 13, 8, 12, 4, None, None, None),
        Row(opening + timedelta(minutes=1), 10, 13, 8, 12, 6, 10.0, None, None),
    ]
    found = fold({60: bar_columns(rows)}, None, grid("5m"))
    assert found.vwap.tolist() == [pytest.approx((11 * 4 + 10 * 6) / 10)]
    assert found.typical.tolist() == [True]
    assert fold({60: bar_columns(rows[1:])}, None, grid("5m")).typical.tolist() == [False]


def test_prices_at_the_end_of_floats_do_not_overflow() -> None:
    huge = 1.7e308
    rows = [Row(session_open("NSE", DAY), huge, huge, huge, huge, 1, None, None, None)]
    assert fold({60: bar_columns(rows)}, None, grid("5m")).vwap.tolist() == [pytest.approx(huge)]


@pytest.mark.parametrize("timeframe", [60, 86_400, Months(1)])
def test_nothing_gives_no_bars(timeframe: Timeframe) -> None:
    empty = make_grid("NSE", timeframe, Anchor.SESSION, DAY, DAY)
    assert len(fold({}, None, empty)) == len(fold({60: bar_columns([])}, tick_columns([]), empty)) == 0
    assert len(tick_bars(tick_columns([]), empty)) == 0
