"""Live bars beside what else writes and reads bars: imports, retention and kept pages."""

import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from django.db import OperationalError, connection, transaction

from realtime.ticks.live_bars import LiveBars
from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row, random_market, slow_fold
from tests.core.slow_fold import Tick as PlainTick
from tests.integration.test_live_minutes import DAYS, KEYS, as_tick, consumer, handle
from timeframes.bars import stream_bars
from timeframes.bars.changes import Basis, current_moment, unchanged
from timeframes.bars.services import record_bar_columns, record_bars
from timeframes.bars.stream_bars import SOURCE
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.grid import default_anchor, microseconds
from timeframes.core.sessions import session_open
from timeframes.models import Bar
from timeframes.models import Tick as StoredTick

KEY, OTHER = "NSE@NIFTY@equity_spot", "NSE@FINNIFTY@equity_spot"
DAY = date(2024, 1, 19)
OPENING = session_open("NSE", DAY)
MINUTE = timedelta(minutes=1)


def ticks(*of: tuple[datetime, float, float], key: str = KEY, entry: int = 0) -> Any:
    """Ticks of (time, price, cumulative volume), with entries after `entry`."""
    return [
        as_tick(key, PlainTick(time, (entry + place, 0), price, volume, None))
        for place, (time, price, volume) in enumerate(of, 1)
    ]


def settle(bars: LiveBars, until: datetime) -> list[dict[str, Any]]:
    """Return the states that are published, as a clock at `until` has them."""
    rounds = bars.settle(microseconds(until))
    return [orjson.loads(state) for each in rounds.values() for states in each for state in states.values()]


def stored(key: str = KEY) -> list[tuple[datetime, float, float | None, str]]:
    rows = Bar.objects.filter(instrument_key=key, interval="1m").order_by("time")
    return list(rows.values_list("time", "close", "volume", "source"))


def copies(source: str = SOURCE) -> list[Row]:
    """What is stored, as an importer would write it."""
    rows = Bar.objects.filter(instrument_key=KEY, interval="1m", source=source).order_by("time")
    return [Row(r.time, r.open, r.high, r.low, r.close, r.volume, r.vwap, r.oi, r.trades) for r in rows]


@pytest.mark.django_db
def test_an_import_with_the_numbers_of_a_live_bar_makes_it_an_imported_one() -> None:
    bars = consumer()
    handle(bars, ticks((OPENING, 100.0, 5.0)))
    settle(bars, OPENING + 2 * MINUTE)
    rows = copies()
    assert record_bars(KEY, 60, bar_columns(rows), source="file") == 1
    assert stored() == [(OPENING, 100.0, 5.0, "file")]
    handle(bars, ticks((OPENING + timedelta(seconds=1), 101.0, 9.0), entry=1))
    settle(bars, OPENING + 2 * MINUTE)
    assert stored() == [(OPENING, 100.0, 5.0, "file")]
    assert record_bars(KEY, 60, bar_columns(rows), source="file") == 0


@pytest.mark.django_db
def test_a_consumer_that_begins_reads_no_days_that_imports_have_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """One live bar of long ago is left, the days since are imported: their ticks are not read again."""
    bars = consumer()
    days = [DAY + timedelta(days=number) for number in (0, 3, 4, 5)]
    for number, day in enumerate(days):
        opening = session_open("NSE", day)
        some = [(opening + place * MINUTE, 100.0 + place, float(place)) for place in range(20)]
        handle(bars, ticks(*some, entry=100 * number))
    settle(bars, session_open("NSE", days[-1]) + timedelta(hours=1))
    imported = [row for row in copies() if row.time != OPENING]
    record_bars(KEY, 60, bar_columns([row._replace(close=row.close, high=500.0) for row in imported]), source="file")
    assert len(copies()) == 1

    read: list[int] = []
    load = stream_bars.load_spans

    def counted(*given: Any, **named: Any) -> stream_bars.SpanTicks:
        found = load(*given, **named)
        read.append(len(found.place))
        return found

    monkeypatch.setattr(stream_bars, "load_spans", counted)
    again = consumer(KEY)
    newest = session_open("NSE", days[-1]) + 20 * MINUTE
    handle(again, ticks((newest, 130.0, 30.0), entry=1000))
    settle(again, newest + 2 * MINUTE)
    assert sum(read) <= 5
    assert stored()[-1] == (newest, 130.0, 30.0 - 19.0, SOURCE)


@pytest.mark.django_db
def test_a_kill_between_storing_and_publishing_loses_no_complete_bar() -> None:
    first = ticks((OPENING, 100.0, 5.0), (OPENING + MINUTE, 101.0, 6.0))
    handle(consumer(), first)  # stored, and then killed
    assert [row[0] for row in stored()] == [OPENING]
    told = settle(consumer(KEY), OPENING + MINUTE)
    assert [(each["close"], each["complete"]) for each in told] == [(100.0, True), (101.0, False)]
    killed = consumer(KEY)
    settle(killed, OPENING + 3 * MINUTE)  # the clock has closed the second: stored, and killed again
    told = settle(consumer(KEY), OPENING + 3 * MINUTE)
    assert [(each["close"], each["complete"]) for each in told] == [(101.0, True)]


@pytest.mark.django_db
def test_a_late_tick_of_a_day_whose_ticks_are_gone_spoils_no_bar(settings: Any) -> None:
    settings.TICKS_KEEP_DAYS = 10
    bars = consumer()
    some = [(OPENING + timedelta(seconds=place), 100.0 + place, float(place)) for place in range(5)]
    handle(bars, ticks(*some, (OPENING + MINUTE, 200.0, 9.0), (OPENING + 2 * MINUTE, 201.0, 10.0)))
    settle(bars, OPENING + timedelta(hours=9))
    before = stored()
    assert [row[:3] for row in before] == [
        (OPENING, 104.0, 4.0),
        (OPENING + MINUTE, 200.0, 5.0),
        (OPENING + 2 * MINUTE, 201.0, 1.0),
    ]
    StoredTick.objects.all().delete()  # as retention does
    handle(bars, ticks((OPENING + timedelta(seconds=3), 50.0, 3.0), entry=100))
    assert stored() == before
    handle(bars, ticks((OPENING + MINUTE * 2 + timedelta(seconds=3), 50.0, 30.0), entry=101))
    settle(bars, OPENING + timedelta(hours=9))
    assert stored() == before
    again = consumer(KEY)
    handle(again, ticks((OPENING + MINUTE * 2 + timedelta(seconds=4), 51.0, 31.0), entry=102))
    settle(again, OPENING + timedelta(hours=9))
    assert stored() == before


@pytest.mark.django_db
def test_late_ticks_of_days_that_are_kept_still_mend_them(settings: Any) -> None:
    settings.TICKS_KEEP_DAYS = 30_000
    bars = consumer()
    handle(bars, ticks((OPENING, 100.0, 1.0), (OPENING + MINUTE, 101.0, 2.0)))
    handle(bars, ticks((OPENING + timedelta(seconds=30), 99.0, 1.5), entry=10))
    assert stored()[0][:3] == (OPENING, 99.0, 1.5)


def still(keys: Sequence[str], made: Any) -> list[bool]:
    first, last = microseconds(OPENING), microseconds(OPENING + timedelta(hours=6))
    return [moment is not None for moment in unchanged([Basis(key, first, last, made) for key in keys])]


@pytest.mark.django_db(transaction=True)
def test_a_minute_that_ticks_again_leaves_the_pages_of_other_instruments_alone() -> None:
    bars = consumer()
    handle(bars, ticks((OPENING, 100.0, 5.0)))
    settle(bars, OPENING + 2 * MINUTE)
    assert len(stored()) == 1
    made = current_moment()
    handle(bars, ticks((OPENING + timedelta(seconds=1), 101.0, 9.0), entry=1))
    assert not stored()  # the tick counts in it again
    assert still([KEY, OTHER], made) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_a_pair_without_an_exchange_leaves_the_pages_of_others_alone() -> None:
    bars = consumer()
    made = current_moment()
    begin = datetime(2024, 1, 19, 5, tzinfo=UTC)
    for number in range(3):
        handle(bars, ticks((begin + number * MINUTE, 100.0, 5.0), key="BTC/USDT", entry=number))
    assert still(["BTC/USDT", OTHER], made) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_who_else_deletes_is_noticed_also_after_the_consumer_did() -> None:
    record_bars(KEY, 60, bar_columns([Row(OPENING, 1.0, 1.0, 1.0, 1.0, None, None, None, None)]), source=SOURCE)
    record_bars(OTHER, 60, bar_columns([Row(OPENING, 1.0, 1.0, 1.0, 1.0, None, None, None, None)]), source=SOURCE)
    made = current_moment()
    with transaction.atomic(), connection.cursor() as cursor:
        stream_bars.remove_bars([KEY], [microseconds(OPENING)])
        cursor.execute("DELETE FROM historical_data WHERE instrument_key = %s", [OTHER])
    assert still([KEY, OTHER], made) == [False, False]


@pytest.mark.django_db
@pytest.mark.parametrize(("exchange", "seed"), [("NSE", 0), ("NSE", 1), ("BINANCE", 2), ("", 3)])
def test_imports_between_live_minutes_stay_and_the_others_equal_the_fold(exchange: str, seed: int) -> None:
    chance = random.Random(seed)
    (key,) = KEYS[exchange][:1]
    plain = random_market(chance, exchange, DAYS, ticks_a_day=100)[1]
    queue = sorted((as_tick(key, each) for each in plain), key=lambda each: [*map(int, each.entry_id.split("-"))])
    anchor = default_anchor(exchange)
    wanted = {row["time"]: (row["close"], SOURCE) for row in slow_fold(exchange, 60, anchor, {}, plain)}
    minutes = list(wanted)
    bars, imported = consumer(), dict[datetime, float]()
    for begin in range(0, len(queue), 7):
        batch = queue[begin : begin + 7]
        handle(bars, batch)
        newest = max(each.time for each in batch)
        fate = chance.random()
        if fate < 0.2:
            at = chance.choice(minutes)
            if StoredTick.objects.filter(instrument_key=key, time__gte=at, time__lt=at + MINUTE).exists():
                imported[at] = float(begin + 1)
                row = Row(at, *[imported[at]] * 4, None, None, None, None)
                record_bars(key, 60, bar_columns([row]), source="file")
        elif fate < 0.3:
            bars = consumer(key)  # killed
        elif fate < 0.6:
            settle(bars, newest + chance.choice([0, 1, 90]) * timedelta(seconds=1))
    settle(bars, datetime(2025, 1, 1, tzinfo=UTC))
    assert imported
    found = {time: (close, source) for time, close, _, source in stored(key)}
    assert found == wanted | {time: (price, "file") for time, price in imported.items()}


@pytest.mark.django_db(transaction=True)
def test_an_import_of_minutes_that_are_being_stored_never_deadlocks() -> None:
    keys, failed = [f"NSE@K{number}@equity_spot" for number in range(3000)], list[Exception]()
    together = threading.Barrier(2)

    def columns(price: float) -> BarColumns:
        numbers = {name: np.full(len(keys), price) for name in NUMBERS}
        return BarColumns(time=np.full(len(keys), microseconds(OPENING)), **numbers)

    def run(write: Callable[[float], Any]) -> None:
        try:
            for price in (1.0, 2.0, 3.0):
                together.wait(20)
                write(price)
        except (OperationalError, threading.BrokenBarrierError) as error:
            failed.append(error)
            together.abort()
        finally:
            connection.close()

    def live(price: float) -> None:
        stream_bars.replace_bars(keys[::-1], columns(price), np.ones(len(keys)))

    def imports(price: float) -> None:
        record_bar_columns(keys, np.arange(len(keys)), 60, columns(10 * price), source=SOURCE)

    threads = [threading.Thread(target=run, args=[write]) for write in (live, imports)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
