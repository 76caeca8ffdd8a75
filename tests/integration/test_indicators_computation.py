"""Indicators as a computation: equal to the pages, warm from the first row, and made of nothing later than `as_of`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signals.computations.indicators import Indicators
from signalsite.foundation.computations.answers import declared
from tests.integration.test_indicators_door import BARS, BEGIN, MINUTE, history, key, stored

pytestmark = pytest.mark.django_db

__all__ = ["stored"]  # the fixture
END = BEGIN + BARS * MINUTE
ASKED = ["rsi", "macd(fast=8,slow=21)", "vwap", "hilo"]


def compute(keys: list[str], as_of: datetime = END, **params: Any) -> list[dict[str, Any]]:
    kind = Indicators()
    asked: Mapping[str, Any] = kind.defaults | {"timeframe": "1m", "days": 0.1, "indicators": ASKED} | params
    answers = kind.evaluate(kind.load(keys, {}, as_of, asked, {}))
    columns = declared(kind, answers, asked)
    assert answers.item is not None
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert len(rows) <= len(keys) * kind.rows_per_item(asked)
    return [{"item": item, **row} for item, row in zip(answers.item.tolist(), rows, strict=True)]


def test_rows_equal_the_pages() -> None:
    rows = compute([key(), "NSE@NOTHING@equity_spot", key()])
    assert {row["status"] for row in rows if row["item"] == 1} == {"bad_input"}
    for item in (0, 2):
        mine = {(row["indicator"], row["output"], row["bar_time"]): row for row in rows if row["item"] == item}
        for name, more in (("rsi", {}), ("macd", {"fast": "8", "slow": "21"}), ("vwap", {}), ("hilo", {})):
            page = history(name, limit=str(BARS), **more)
            within = [each for each in page["data"] if each["time"] >= (END - timedelta(days=0.1)).isoformat()]
            assert len(within) == 144
            for each in within:
                for output, value in each["values"].items():
                    row = mine.pop((page["indicator"], output, each["time"]))
                    assert row["status"] == "ok" and (row["reason"] is None) is (value is not None)
                    assert row["value"] == (
                        pytest.approx(value, rel=1e-9)
                        if value is not None
                        else pytest.approx(float("nan"), nan_ok=True)
                    )
        assert not mine


def test_nothing_later_than_as_of_takes_part() -> None:
    noon = BEGIN + 500 * MINUTE + timedelta(seconds=20)
    rows = compute([key()], noon)
    everything = {(row["output"], row["bar_time"]): row for row in compute([key()], END, days=1.0)}
    assert max(row["bar_time"] for row in rows) == (BEGIN + 499 * MINUTE).isoformat()
    for row in rows:
        other = everything[row["output"], row["bar_time"]]
        assert row["value"] == pytest.approx(other["value"], rel=1e-9, nan_ok=True)


def test_no_bars_in_the_range_and_none_that_fit() -> None:
    later = datetime(2025, 1, 1, tzinfo=UTC)
    assert [(row["status"], row["value"]) for row in compute([key()], later)] == [("no_bars", None)]
    assert {row["status"] for row in compute([key()], timeframe="90s")} == {"unfit"}
