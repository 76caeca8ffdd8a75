"""Bars of two days, their pages by way of what is kept, and the same pages made afresh."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from timeframes.bars import lookup
from timeframes.bars.lookup import COUNTS, MEMORY
from timeframes.bars.page_cache import _client
from timeframes.bars.pages import make_page
from timeframes.bars.services import record_bars
from timeframes.bars.stored import stored_of
from timeframes.core.sessions import session_open
from timeframes.models import Tick
from timeframes.ticks.store import record_ticks

KEY = "NSE@CACHED@equity_spot"
DAYS = (date(2024, 1, 23), date(2024, 1, 24))
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def minute(day: date, number: int, price: float) -> Row:
    return Row(
        session_open("NSE", day) + timedelta(minutes=number), price, price + 1, price - 1, price, 5.0, None, None, None
    )


def record(rows: list[Row], key: str = KEY) -> None:
    record_bars(key, 60, bar_columns(rows), source="test")


def tick(day: date, number: int, price: float, key: str = KEY, entry: str = "1-0") -> None:
    time = session_open("NSE", day) + timedelta(minutes=number, seconds=30)
    record_ticks(Tick, [(key, time, entry, price, *([None] * 11), "")])


def forget_levels() -> None:
    MEMORY.clear()
    lookup.STORED.clear()
    for name in _client().scan_iter("agg_data:*@CACHED@*"):
        _client().delete(name)


@pytest.fixture(autouse=True)
def stored() -> Iterator[None]:
    forget_levels()
    lookup.read_query.cache_clear()
    COUNTS._counts.clear()
    record([minute(day, number, 100.0 + number) for day in DAYS for number in range(0, 375, 5)])
    yield
    forget_levels()


def query(timeframe: str = "7m", start: str = "2024-01-23", end: str | None = "2024-01-23", limit: int = 1000) -> Any:
    text = {"timeframe": timeframe, "start_time": start, "limit": str(limit)} | ({"end_time": end} if end else {})
    return lookup.read_query(KEY, tuple(text.items()))


def ask(**of: Any) -> bytes:
    return lookup.look_up(*query(**of), NOW).body


def afresh(**of: Any) -> bytes:
    _, asked, limit = query(**of)
    return make_page(asked, stored_of(KEY), limit, NOW, None).body


def counted(source: str) -> float:
    return lookup.ASKED.labels(source)._value.get()
