"""Live minutes equal the fold of the ticks, whatever order ticks come in and wherever the consumer begins anew."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from realtime.ticks.contracts import default_terms
from realtime.ticks.core.applied_ticks import apply_ticks
from realtime.ticks.core.book import Book
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.tick import Tick, TickFields, make_tick, read_contract
from realtime.ticks.live_bars import GRACE, LiveBars
from tests.core.bar_columns import assert_same, bar_columns
from tests.core.slow_fold import Row, random_market, slow_fold
from tests.core.slow_fold import Tick as PlainTick
from timeframes.bars.folding import fold_stored
from timeframes.bars.services import record_bars
from timeframes.bars.stream_bars import SOURCE, live_bars_at
from timeframes.core.bars import NUMBERS, FoldedBars
from timeframes.core.grid import default_anchor, make_grid, microseconds
from timeframes.core.keys import parse_key
from timeframes.models import Bar
from timeframes.models import Tick as StoredTick

pytestmark = pytest.mark.django_db

KEYS = {
    "NSE": ("NSE@NIFTY@equity_spot", "NSE@NIFTY@equity_options@2024-11-28@call@21500"),
    "BINANCE": ("BINANCE@BTC@crypto_spot",),
    "": ("BTC/USDT",),
}
DAYS = (date(2024, 1, 19), date(2024, 3, 2), date(2024, 11, 1))


class Direct:
    """Calls at once: these tests have no outage."""

    def run(self, call: Any) -> Any:
        return call()


def consumer(*keys: str) -> LiveBars:
    made = LiveBars(Book(), Direct(), model=StoredTick)  # type: ignore[arg-type]
    for key in keys:
        made.take(parse_key(key).underlying, [key])
    return made


def as_tick(key: str, plain: PlainTick) -> Tick:
    parsed = parse_key(key)
    contract = read_contract(key, parsed.underlying)
    fields = TickFields(instrument_key=key, ltp=plain.price, volume=plain.volume, oi=plain.interest)
    entry = "-".join(map(str, plain.entry))
    return make_tick("stream", entry, contract, plain.time, plain.time.timestamp(), fields, b"{}")


def handle(bars: LiveBars, ticks: Sequence[Tick]) -> CycleResult:
    """Do with a batch what the cycle and the writer do."""
    for tick in ticks:
        if tick.contract.underlying not in bars.book.underlyings:
            bars.book.add_underlying(tick.contract.underlying, default_terms(tick.contract.key))
    result = CycleResult(ticks=list(ticks), applied=[apply_ticks(bars.book, ticks)])
    bars.write(result)
    return result


def stored(key: str) -> FoldedBars:
    rows = list(Bar.objects.filter(instrument_key=key, interval="1m", source=SOURCE).order_by("time"))
    named = {"open_interest": "oi"}
    columns = {name: np.array([getattr(row, named.get(name, name)) for row in rows], np.float64) for name in NUMBERS}
    times = np.array([microseconds(row.time) for row in rows], np.int64)
    return FoldedBars(time=times, **columns, typical=np.zeros(len(rows), bool))


def check(exchange: str, key: str, ticks: Sequence[PlainTick], *, bars: Sequence[dict[str, Any]] | None = None) -> None:
    """Compare what is stored with the slow fold and the one in SQL."""
    anchor = default_anchor(exchange)
    wanted = slow_fold(exchange, 60, anchor, {}, ticks) if bars is None else bars
    assert_same(stored(key), wanted)
    grid = make_grid(exchange, 60, anchor, DAYS[0] - timedelta(days=1), DAYS[-1] + timedelta(days=1))
    assert_same(fold_stored(key, grid, [], ticks=True), wanted)
    assert_same(fold_stored(key, grid, [60], ticks=True), wanted)


@pytest.mark.parametrize(("exchange", "seed"), [(exchange, seed) for exchange in KEYS for seed in range(4)])
def test_live_minutes_equal_the_fold_of_the_ticks(exchange: str, seed: int) -> None:
    chance = random.Random(f"{exchange} {seed}")
    plain = {key: random_market(chance, exchange, DAYS, ticks_a_day=150)[1] for key in KEYS[exchange]}
    queue = [as_tick(key, tick) for key, ticks in plain.items() for tick in ticks]
    # By their entries, which in this market go with the time, but for the late ones; some stay behind for long.
    queue.sort(key=lambda tick: [*map(int, tick.entry_id.split("-"))])
    bars, begin = consumer(), 0
    while begin < len(queue):
        count = chance.choice([1, 2, 10, 60])
        batch = queue[begin : begin + count]
        handle(bars, batch)
        if chance.random() < 0.1:
            handle(bars, batch)  # delivered twice
        begin += count
        newest = max(microseconds(tick.time) for tick in batch)
        fate = chance.random()
        if fate < 0.05:
            bars = consumer(*plain)  # killed: another begins with what is stored
        elif fate < 0.1:
            bars.doubt_all()
        elif fate < 0.5:
            bars.settle(newest + chance.choice([-60, 0, 1, 90]) * 1_000_000)  # a clock that may be far ahead
    bars.settle(microseconds(datetime(2025, 1, 1, tzinfo=UTC)))
    for key, ticks in plain.items():
        check(exchange, key, ticks)


def test_an_imported_minute_is_never_changed_by_ticks() -> None:
    key, bars, begin = KEYS["BINANCE"][0], consumer(), datetime(2024, 1, 19, 5, tzinfo=UTC)

    def tick(minute: int, entry: int, price: float) -> Tick:
        return as_tick(key, PlainTick(begin + timedelta(minutes=minute, seconds=entry), (entry, 0), price, None, None))

    handle(bars, [tick(0, 1, 100), tick(1, 2, 101), tick(2, 3, 102)])
    imported = bar_columns([Row(begin, 1.0, 2.0, 1.0, 2.0, None, None, None, None)])
    assert live_bars_at([key], np.zeros(1, np.int64), 60, imported.time) == 1
    record_bars(key, 60, imported, source="import-plain")
    assert live_bars_at([key], np.zeros(1, np.int64), 60, imported.time) == 0
    handle(bars, [tick(0, 4, 103), tick(1, 5, 104)])  # late
    bars.settle(microseconds(begin + timedelta(hours=1)))
    found = {row.time: (row.source, row.close) for row in Bar.objects.filter(instrument_key=key)}
    assert found == {
        begin: ("import-plain", 2.0),
        begin + timedelta(minutes=1): (SOURCE, 104.0),
        begin + timedelta(minutes=2): (SOURCE, 102.0),
    }


def test_a_newer_tick_is_read_although_the_clock_has_closed_its_minute() -> None:
    key, bars, begin = KEYS["BINANCE"][0], consumer(), datetime(2024, 1, 19, 5, tzinfo=UTC)
    grid = make_grid("BINANCE", 60, default_anchor("BINANCE"), begin.date(), begin.date())
    for second, price in ((1, 100.0), (2, 107.0), (3, 95.0)):
        handle(bars, [as_tick(key, PlainTick(begin + timedelta(seconds=second), (second, 0), price, None, None))])
        assert fold_stored(key, grid, [60], ticks=True).close.tolist() == [price]
        bars.settle(microseconds(begin + timedelta(minutes=1)) + GRACE)
        assert stored(key).close.tolist() == [price]
