"""Bars of a value: equal to a slow fold by bar, and the grid's bars are those that minutes fall into."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moneyness.core.value_bars import bars_of_grid, computed_bars, fold_values, join_bars
from timeframes.core.grid import Anchor, make_grid, microseconds
from timeframes.core.timeframe import parse_timeframe

DAYS = date(2024, 1, 8), date(2024, 1, 12)
MINUTES = np.array(
    [microseconds(datetime(2024, 1, 8, tzinfo=UTC) + timedelta(minutes=each)) for each in range(5 * 1440)], np.int64
)
TIMEFRAMES = ["1m", "7m", "1h", "1d", "2d", "1w", "1mo"]


@pytest.mark.parametrize("anchor", list(Anchor))
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@given(data=st.data())
def test_it_equals_a_slow_fold(timeframe: str, anchor: Anchor, data: Any) -> None:
    grid = make_grid("NSE", parse_timeframe(timeframe), anchor, *DAYS)
    chosen = data.draw(st.lists(st.integers(0, len(MINUTES) - 1), max_size=60, unique=True).map(sorted))
    time = MINUTES[np.array(chosen, np.intp)]
    value = np.array(
        data.draw(st.lists(st.sampled_from([0.1, 0.25, 0.3, np.nan]), min_size=len(time), max_size=len(time)))
    )
    slow: dict[int, list[float]] = defaultdict(list)
    for at, each in zip(time, value, strict=True):
        place = grid.place(np.array([at]), ticks=True)
        if place[0] >= 0 and each == each:
            slow[int(grid.bar(np.array([at]), place)[0])].append(float(each))
    found = fold_values(time, value.astype(np.float64), grid)
    assert found.time.tolist() == sorted(slow)
    for at, row in enumerate(sorted(slow)):
        values = slow[row]
        assert (found.open[at], found.close[at]) == (values[0], values[-1])
        assert (found.high[at], found.low[at], found.count[at]) == (max(values), min(values), len(values))
        assert found.mean[at] == pytest.approx(sum(values) / len(values))
    assert set(found.time.tolist()) <= set(bars_of_grid(grid).tolist())


@pytest.mark.parametrize("anchor", list(Anchor))
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_the_bars_of_a_grid_are_those_that_minutes_fall_into(timeframe: str, anchor: Anchor) -> None:
    grid = make_grid("NSE", parse_timeframe(timeframe), anchor, *DAYS)
    minutes = np.concatenate(
        [np.arange(begin, end, 60_000_000) for begin, end in zip(grid.begins, grid.ends, strict=True)]
    )
    place = grid.place(minutes)
    assert bars_of_grid(grid).tolist() == np.unique(grid.bar(minutes, place)).tolist()


def test_parts_join_by_time() -> None:
    one = computed_bars(np.array([20, 40]), np.array([0.2, np.nan]), np.array([None, "why"], object))
    other = computed_bars(np.array([10, 30]), np.array([0.1, 0.3]), np.full(2, None, object))
    found = join_bars([one, other])
    assert found.time.tolist() == [10, 20, 30, 40] and found.reason.tolist() == [None, None, None, "why"]
