"""Rows of the slow fold as columns of the fast one, and the comparison of their bars."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.core.slow_fold import Row, Tick
from timeframes.core.bars import BarColumns, FoldedBars, TickColumns
from timeframes.core.grid import microseconds

EXACT = ("open", "high", "low", "close", "open_interest", "trades")
SUMS = ("volume", "vwap")


def floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def bar_columns(rows: Sequence[Row]) -> BarColumns:
    time, *numbers = zip(*rows, strict=True) if rows else ((), *[()] * 8)
    names = ("open", "high", "low", "close", "volume", "vwap", "open_interest", "trades")
    times = np.array([microseconds(each) for each in time], np.int64)
    return BarColumns(time=times, **{name: floats(column) for name, column in zip(names, numbers, strict=True)})


def tick_columns(ticks: Sequence[Tick]) -> TickColumns:
    ordered = sorted(ticks, key=lambda tick: (tick.time, tick.entry))
    return TickColumns(
        time=np.array([microseconds(tick.time) for tick in ordered], np.int64),
        price=floats([tick.price for tick in ordered]),
        volume=floats([tick.volume for tick in ordered]),
        open_interest=floats([tick.interest for tick in ordered]),
    )


def assert_same(found: FoldedBars, wanted: Sequence[dict[str, Any]]) -> None:
    """Row by row. Sums may differ in the last digits: their order is not the same everywhere."""
    assert found.time.tolist() == [microseconds(row["time"]) for row in wanted]
    for name in EXACT:
        np.testing.assert_array_equal(getattr(found, name), floats([row[name] for row in wanted]), err_msg=name)
    for name in SUMS:
        np.testing.assert_allclose(
            getattr(found, name), floats([row[name] for row in wanted]), rtol=1e-12, atol=0, err_msg=name
        )
    assert found.typical.tolist() == [row["typical"] for row in wanted]
