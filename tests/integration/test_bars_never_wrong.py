"""Kept pages of bars are never wrong: whatever writes, in whichever order, and whatever is killed between two steps."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from timeframes.bars import kept, lookup
from timeframes.bars.changes import current_moment, forget_settled
from timeframes.bars.lookup import COUNTS, MEMORY, REDIS
from timeframes.bars.models import BarChange, CustomTimeframe
from timeframes.bars.page_cache import _client
from timeframes.bars.pages import BarsPage, decode, encode, make_page
from timeframes.bars.services import record_bars
from timeframes.bars.stored import stored_of
from timeframes.core.sessions import session_open
from timeframes.models import Bar, Tick
from timeframes.ticks.store import record_ticks

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "NSE@CACHED@equity_spot", "NSE@OTHER@equity_spot"
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


def test_a_page_is_made_once_and_has_the_same_bytes() -> None:
    made, hits = counted("made"), counted("memory")
    assert ask() == ask() == afresh()
    assert (counted("made") - made, counted("memory") - hits) == (1, 1)


WRITES: dict[str, Any] = {
    "a bar mended": lambda: record([minute(DAYS[0], 5, 900.0)]),
    "a bar more": lambda: record([minute(DAYS[0], 6, 900.0)]),
    "a late tick": lambda: tick(DAYS[0], 7, 900.0),
    "a bar by psql": lambda: execute("UPDATE historical_data SET high = high + 1 WHERE instrument_key = %s", [KEY]),
    "a bar deleted": lambda: Bar.objects.filter(instrument_key=KEY, time__gt=session_open("NSE", DAYS[0])).delete(),
    "everything deleted but this": lambda: (
        execute("TRUNCATE historical_data, bar_changes", []) or record([minute(DAYS[0], 0, 1.0)])
    ),
}


def execute(statement: str, parameters: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_every_write_reaches_every_level(write: Any) -> None:
    before = ask()
    ask()
    lookup.flush(NOW)  # to Redis and the database
    assert REDIS.get(query()[0]) is not None and kept.kept_page(query()[0]) is not None
    write()
    assert afresh() != before
    assert ask() == afresh()
    MEMORY.clear()  # as after a restart: the copies of Redis and the database are older
    assert ask() == afresh()


def test_a_write_elsewhere_leaves_a_page_alone() -> None:
    ask()
    made = counted("made")
    record([minute(DAYS[1], 5, 900.0)])
    record([minute(DAYS[0], 5, 900.0)], OTHER)
    tick(DAYS[1], 8, 900.0)
    assert ask() == afresh()
    assert counted("made") == made


def test_an_open_range_gets_what_comes_later() -> None:
    before = ask(end=None)
    made = counted("made")
    assert ask(end=None) == before
    assert counted("made") == made
    record([minute(date(2024, 1, 25), 5, 900.0)])
    assert ask(end=None) == afresh(end=None) != before


def test_an_open_bar_is_not_kept() -> None:
    noon = session_open("NSE", DAYS[0]) + timedelta(minutes=3)
    name, asked, limit = query()
    page = lookup.look_up(name, asked, limit, noon)
    assert b'"complete":false' in page.body
    assert page.basis is None and MEMORY.peek(name) is None


def test_a_batch_of_many_keys_shares_one_row_and_late_ticks_have_their_own() -> None:
    ask(start="2024-01-23", end="2024-01-23")
    BarChange.objects.all().delete()
    time = session_open("NSE", DAYS[1])
    rows: list[Any] = [
        (f"NSE@K{n}@equity_spot", time + timedelta(seconds=n), "5-0", 1.0, *([None] * 11), "") for n in range(30)
    ]
    record_ticks(Tick, [*rows, (KEY, session_open("NSE", DAYS[0]), "5-0", 900.0, *([None] * 11), "")])
    assert sorted(BarChange.objects.values_list("instrument_key", flat=True)) == ["", KEY]
    assert ask() == afresh()


def test_a_change_that_commits_after_the_page_was_made() -> None:
    """The writer began before the page was made: its number is lower than others that the page has seen."""
    with other_connection() as writer:
        writer.execute("UPDATE historical_data SET high = high + 7 WHERE instrument_key = %s", [KEY])
        record([minute(DAYS[1], 6, 1.0)])  # a later transaction that commits first
        before = ask()
        assert ask() == before
        writer.commit()
    assert ask() == afresh() != before


def test_a_change_between_the_moment_and_the_read() -> None:
    """The page may or may not have it: the page counts as out of date either way."""
    name, asked, limit = query()
    moment = current_moment()
    stored = stored_of(KEY)
    record([minute(DAYS[0], 5, 900.0)])
    page = make_page(asked, stored, limit, NOW, moment)
    assert lookup.checked(name, page) is None


def test_a_transaction_that_has_written_keeps_nothing() -> None:
    before = ask()
    with transaction.atomic():
        record([minute(DAYS[0], 5, 900.0)])
        assert ask() == afresh() != before
        transaction.set_rollback(True)
    assert ask() == afresh() == before


@pytest.mark.parametrize("change", ["cluster", "at", "code", "snapshot", "cut", "kind"])
def test_a_copy_of_another_database_version_or_time_is_not_served(change: str) -> None:
    name = query()[0]
    ask()
    page = MEMORY.peek(name)
    assert page is not None and page.basis is not None
    content = encode(page).replace(b'"open":1', b'"open":2')
    changes = {
        "cluster": (b'"cluster":"', b'"cluster":"9'),
        "at": (b'"at":', b'"at":-'),
        "code": (b'"code":"', b'"code":"9'),
        "snapshot": (b'"snapshot":"', b'"snapshot":"x'),
        "cut": (b'"page":', b'"pa'),
        "kind": (content, b"[]"),
    }
    forged = content.replace(*changes[change])
    assert decode(name, content) is not None  # only the change makes it refused
    MEMORY.clear()
    _client().set(name, forged, ex=60)
    assert ask() == afresh()


def test_what_is_settled_is_forgotten_only_when_nothing_kept_is_older() -> None:
    ask()
    record([minute(DAYS[0], 5, 900.0)])
    forget_settled()
    forget_settled()
    assert BarChange.objects.exists()
    assert ask() == afresh()
    long_ago = datetime.now(UTC) - timedelta(seconds=2 * settings.BARS_CACHE_SECONDS + 1)
    BarChange.objects.update(settled_at=long_ago)
    forget_settled()
    assert not BarChange.objects.exists()


def test_any_order_of_writes_reads_and_kills() -> None:
    """The property: each answer equals the fold at that time. A kill loses memory, and what was about to be written to
    Redis or the database; a flush empties Redis; a stale copy comes back to Redis."""
    rng = random.Random(7)
    pages = [
        {"timeframe": timeframe, "start": start, "end": end}
        for timeframe in ("1m", "7m", "1h", "1d")
        for start, end in (("2024-01-23", "2024-01-23"), ("2024-01-23", None), ("2024-01-24", "2024-01-24"))
    ]
    copies: dict[str, bytes] = {}
    served, made = 0, counted("made")
    for step in range(250):
        of, action = rng.choice(pages), rng.random()
        day, number = rng.choice(DAYS), rng.randrange(375)
        if action < 0.05:
            record([minute(day, number, rng.uniform(1, 1000))])
        elif action < 0.09:
            tick(day, number, rng.uniform(1, 1000), entry=f"{step}-1")
        elif action < 0.12:
            with other_connection() as killed:  # before its commit
                killed.execute("UPDATE historical_data SET high = 1e6 WHERE instrument_key = %s", [KEY])
                killed.close()
        elif action < 0.16:
            MEMORY.clear()
        elif action < 0.19:
            forget_levels()
        elif action < 0.25:
            lookup.flush(NOW)
        elif action < 0.28:
            REDIS.put([(name, page) for name, _ in copies.items() if (page := decode(name, copies[name])) is not None])
            MEMORY.clear()
        elif action < 0.31:
            lookup.warm(lambda: NOW)
        else:
            served += 1
            assert ask(**of) == afresh(**of), (step, of)
            name = query(**of)[0]
            page = MEMORY.peek(name)
            if page is not None and rng.random() < 0.5:
                copies[name] = encode(page)
    assert counted("made") - made < served * 0.7  # else the test shows nothing


def test_what_is_asked_for_often_is_kept_and_bounded(settings: Any) -> None:
    for _ in range(3):
        ask()
    ask(timeframe="11m")
    lookup.flush(NOW)
    (row,) = CustomTimeframe.objects.all()
    assert (row.instrument_key, row.timeframe, row.asked) == (KEY, "7m", 3)
    lookup.COUNTS._counts.update({query(timeframe="11m")[0]: 9})
    lookup.flush(NOW + timedelta(days=1))
    ask()
    ask()
    lookup.flush(NOW + timedelta(days=1))
    assert CustomTimeframe.objects.get(timeframe="7m").asked == pytest.approx(3 / 2 + 2)
    largest = max(len(each.content or b"") for each in CustomTimeframe.objects.all())
    settings.BARS_KEPT_BYTES = largest + 300
    kept.trim(NOW + timedelta(days=1))
    assert [each.timeframe for each in CustomTimeframe.objects.all()] == ["11m"]
    kept.trim(NOW + timedelta(days=30))
    assert not CustomTimeframe.objects.exists()


def test_a_flushed_redis_and_a_restart_cost_no_fold_of_what_is_asked_for_often() -> None:
    before = ask()
    ask()
    lookup.flush(NOW)
    forget_levels()
    made = counted("made")
    assert ask() == before
    assert counted("made") == made


def test_warming_mends_what_a_change_has_overtaken() -> None:
    ask()
    ask()
    lookup.flush(NOW)
    assert lookup.warm(lambda: NOW) == 0
    record([minute(DAYS[0], 5, 900.0)])
    assert lookup.warm(lambda: NOW) == 1
    forget_levels()
    made = counted("made")
    assert ask() == afresh()
    assert counted("made") == made


def test_warming_makes_no_page_again_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[str]()

    def counting(asked: Any, *rest: Any) -> BarsPage:
        made.append(asked.key)
        return make_page(asked, *rest)

    noon = session_open("NSE", DAYS[0]) + timedelta(minutes=3)
    for _ in range(3):
        lookup.look_up(*query(), noon)
    lookup.flush(noon)
    monkeypatch.setattr(lookup, "make_page", counting)
    assert (lookup.warm(lambda: noon), made) == (0, [])
    for _ in range(3):
        ask(end=None)
    lookup.flush(NOW)
    made.clear()
    tick(NOW.date(), 1, 900.0)  # of the open minute
    now = session_open("NSE", NOW.date()) + timedelta(minutes=1, seconds=40)
    assert (lookup.warm(lambda: now), len(made)) == (0, 1)
    assert (lookup.warm(lambda: now), len(made)) == (0, 1)


def test_redis_away_costs_nothing_but_time(settings: Any) -> None:
    settings.CACHE_URL = "redis://127.0.0.1:1/0"
    _client.cache_clear()
    try:
        before = ask()
        MEMORY.clear()
        assert ask() == before
        ask()
        lookup.flush(NOW)
        assert kept.kept_page(query()[0]) is not None
    finally:
        _client.cache_clear()
        REDIS._rests_until = 0.0


def test_redis_gets_no_more_than_its_bytes(settings: Any) -> None:
    settings.BARS_CACHE_REDIS_BYTES = 40_000
    pages = [
        (name, lookup.look_up(name, asked, limit, NOW))
        for name, asked, limit in (query(limit=n) for n in range(200, 240))
    ]
    REDIS._window = -1e9
    try:
        REDIS.put(pages)
        sizes = [len(content) for name, _ in pages if isinstance(content := _client().get(name), bytes)]
        assert 0 < sum(sizes) <= 20_000
        assert all(0 < int(str(_client().ttl(name))) <= settings.BARS_CACHE_SECONDS for name, _ in pages[: len(sizes)])
    finally:
        REDIS._window = -1e9


def other_connection() -> psycopg.Connection[Any]:
    used = settings.DATABASES["default"]
    name = connection.settings_dict["NAME"]
    return psycopg.connect(
        host=used["HOST"], port=used["PORT"], user=used["USER"], password=used["PASSWORD"], dbname=name
    )


def test_a_page_says_what_it_was_made_of() -> None:
    page = lookup.look_up(*query(), NOW)
    assert isinstance(page, BarsPage) and page.basis is not None
    again = decode(query()[0], encode(page))
    assert again == page
