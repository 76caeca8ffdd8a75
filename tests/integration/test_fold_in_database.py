"""The database folds as the core does, row by row, on random ticks with ties, gaps, late ones and doubles."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pytest
from django.db import connection

from tests.core.bar_columns import assert_same, bar_columns, tick_columns
from tests.core.slow_fold import Row, Tick, random_market, slow_fold
from timeframes.bars.folding import fold_query, fold_stored
from timeframes.bars.services import record_bars
from timeframes.core.bars import FoldedBars
from timeframes.core.fold import fold
from timeframes.core.grid import Anchor, Grid, make_grid
from timeframes.core.timeframe import parse_timeframe
from timeframes.models import Bar
from timeframes.models import Tick as StoredTick
from timeframes.ticks.store import record_ticks

pytestmark = pytest.mark.django_db

KEYS = {"NSE": "NSE@NIFTY@equity_spot", "BINANCE": "BINANCE@BTC/USDT@crypto_spot", "NYSE": "NYSE@GE@equity_spot"}
DAYS = (date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 22), date(2024, 3, 2), date(2024, 11, 1))
TIMEFRAMES = ("1s", "45s", "1m", "90s", "5m", "7m", "13m", "1h", "5h", "7h", "1d", "2d", "1w", "2w", "1mo", "3mo")
NO_NUMBERS = (None,) * 8


def store(key: str, bars: Mapping[int, Sequence[Row]], ticks: Sequence[Tick]) -> None:
    for seconds, rows in bars.items():
        record_bars(key, seconds, bar_columns(rows), source="test")
    rows_of_ticks = [
        (key, tick.time, "-".join(map(str, tick.entry)), tick.price, None, tick.volume, tick.interest, *NO_NUMBERS, "")
        for tick in ticks
    ]
    record_ticks(StoredTick, rows_of_ticks)
    suspect = [(*row[:2], f"1-{place}", 1e9, None, 1e12, *row[6:-1], "jump") for place, row in enumerate(rows_of_ticks)]
    record_ticks(StoredTick, suspect)  # no bar is made of these


def as_rows(found: FoldedBars) -> list[dict[str, object]]:
    from timeframes.core.grid import instant

    names = ("open", "high", "low", "close", "volume", "vwap", "open_interest", "trades")
    columns = [[None if value != value else value for value in getattr(found, name).tolist()] for name in names]
    return [
        {"time": instant(time), **dict(zip(names, values, strict=True)), "typical": typical}
        for time, values, typical in zip(
            found.time.tolist(), zip(*columns, strict=True), found.typical.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("exchange", list(KEYS))
def test_fold_and_sql_and_their_slow_twin_are_equal(exchange: str) -> None:
    key, chance = KEYS[exchange], random.Random(exchange)
    bars, ticks = random_market(chance, exchange, DAYS, ticks_a_day=300)
    store(key, bars, ticks)
    store(f"{exchange}@OTHER@equity_spot", bars, ticks[::2])  # another instrument's rows
    columns, ordered = {seconds: bar_columns(rows) for seconds, rows in bars.items()}, tick_columns(ticks)
    first, last = DAYS[0] - timedelta(days=1), DAYS[-1] + timedelta(days=1)
    for text in TIMEFRAMES:
        for anchor in Anchor:
            timeframe = parse_timeframe(text)
            grid = make_grid(exchange, timeframe, anchor, first, last)
            for stored, with_ticks in (([60, 300, 86_400], True), ([], True), ([60, 300, 86_400], False), ([60], True)):
                kept = {seconds: columns[seconds] for seconds in stored}
                found = fold(kept, ordered if with_ticks else None, grid)
                in_database = fold_stored(key, grid, stored, ticks=with_ticks)
                slow = slow_fold(
                    exchange, timeframe, anchor, {each: bars[each] for each in stored}, ticks if with_ticks else []
                )
                assert_same(in_database, slow)
                assert_same(in_database, as_rows(found))


def test_bars_are_recorded_once_and_mended() -> None:
    bars, _ = random_market(random.Random(1), "NSE", DAYS, ticks_a_day=1)
    minutes, key = bar_columns(bars[60]), "NSE@NIFTY@equity_options@2024-01-25@call@21500.5"
    assert record_bars(key, 60, minutes, source="a") == len(minutes)
    assert record_bars(key, 60, minutes, source="a") == 0
    minutes.close[3] += 1
    assert record_bars(key, 60, minutes, source="a") == 1
    stored = list(Bar.objects.filter(instrument_key=key).order_by("time"))
    assert [bar.close for bar in stored] == minutes.close.tolist()
    assert record_bars(key, 60, minutes, source="b") == len(minutes)
    assert set(Bar.objects.filter(instrument_key=key).values_list("source", flat=True)) == {"b"}
    assert {(bar.interval, str(bar.expiry_date), bar.option_type, str(bar.strikeprice)) for bar in stored} == {
        ("1m", "2024-01-25", "call", "21500.500000")
    }
    assert [bar.volume for bar in stored] == [None if each != each else each for each in minutes.volume.tolist()]


def plan(grid: Grid, *, ticks: bool) -> str:
    query, parameters = fold_query("NSE@NIFTY@equity_spot", grid, [60], ticks=ticks)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + query, parameters)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_the_primary_keys_serve_the_statement() -> None:
    bars, ticks = random_market(random.Random(2), "NSE", DAYS, ticks_a_day=400)
    for symbol in ("NIFTY", *(f"OTHER{number}" for number in range(20))):
        store(f"NSE@{symbol}@equity_spot", bars, ticks)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE historical_data")
        cursor.execute("ANALYZE ticks")
    found = plan(make_grid("NSE", 420, Anchor.SESSION, DAYS[1], DAYS[2]), ticks=True)
    assert "historical_data_pkey" in found and "ticks_pkey" in found
    assert "Seq Scan" not in found
