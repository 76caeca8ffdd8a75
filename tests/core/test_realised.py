"""Realised volatility: equal to slow loops over the textbook sums, and to the volatility that a path was made with."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeframes.core.bars import BarColumns
from timeframes.core.realised import close_to_close, parkinson, yang_zhang

prices = st.floats(0.5, 2.0)


def bars_of(rows: list[tuple[float, float, float, float]]) -> BarColumns:
    """Rows are open, high, low, close."""
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    nothing = np.full(len(rows), np.nan)
    return BarColumns(
        time=np.arange(len(rows)),
        **dict(zip(("open", "high", "low", "close"), columns, strict=True)),
        **dict.fromkeys(("volume", "vwap", "open_interest", "trades"), nothing),
    )


@st.composite
def markets(draw: st.DrawFn) -> list[tuple[float, float, float, float]]:
    rows = []
    for begin, end, above, below in draw(st.lists(st.tuples(prices, prices, prices, prices), max_size=12)):
        rows.append((begin, max(begin, end, above), min(begin, end, below), end))
    return rows


@given(rows=markets(), window=st.integers(2, 5))
def test_it_equals_slow_loops(rows: list[tuple[float, float, float, float]], window: int) -> None:
    bars = bars_of(rows)
    found = [each(bars, window, 100.0) for each in (close_to_close, parkinson, yang_zhang)]
    assert [len(each) for each in found] == [len(rows)] * 3
    for last in range(len(rows)):
        own = rows[last - window + 1 : last + 1]
        slow = [math.nan] * 3
        if len(own) == window:
            slow[1] = sum(math.log(high / low) ** 2 for _, high, low, _ in own) / (4 * window * math.log(2))
        if last >= window:
            before = [row[3] for row in rows[last - window : last]]
            slow[0] = statistics.variance([math.log(row[3] / close) for row, close in zip(own, before, strict=True)])
            jumps = statistics.variance([math.log(row[0] / close) for row, close in zip(own, before, strict=True)])
            moves = statistics.variance([math.log(row[3] / row[0]) for row in own])
            satchell = [
                math.log(h / c) * math.log(h / o) + math.log(low / c) * math.log(low / o) for o, h, low, c in own
            ]
            share = 0.34 / (1.34 + (window + 1) / (window - 1))
            slow[2] = jumps + share * moves + (1 - share) * statistics.mean(satchell)
        wanted = [math.sqrt(100.0 * max(each, 0.0)) if each == each else math.nan for each in slow]
        assert [each[last] for each in found] == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


def test_it_recovers_the_volatility_of_a_path() -> None:
    random = np.random.default_rng(7)
    steps, days, volatility = 400, 2_000, 0.2
    moves = random.normal(0.0, volatility / math.sqrt(252 * steps), (days, steps))
    path = np.exp(np.cumsum(moves.reshape(-1))).reshape(days, steps)
    opens = np.concatenate([[1.0], path[:-1, -1]])
    rows = zip(opens, np.maximum(path.max(1), opens), np.minimum(path.min(1), opens), path[:, -1], strict=True)
    bars = bars_of([tuple(map(float, row)) for row in rows])  # type: ignore[misc]
    for each, off in ((close_to_close, 0.04), (parkinson, 0.06), (yang_zhang, 0.06)):  # ranges of steps are too narrow
        assert each(bars, days - 1)[-1] == pytest.approx(volatility, rel=off)


def test_a_bar_without_prices_spoils_only_its_windows() -> None:
    rows = [
        (1.0, 1.1, 0.9, 1.05),
        (1.0, 1.2, 0.9, 1.0),
        (1.0, 1.2, 0.0, 1.1),
        (1.1, 1.2, 1.0, 1.1),
        (1.1, 1.3, 1.0, 1.2),
    ]
    found = parkinson(bars_of(rows), 2)
    assert np.isnan(found).tolist() == [True, False, True, True, False]
    assert np.isnan(yang_zhang(bars_of(rows[:2]), 2)).all()
