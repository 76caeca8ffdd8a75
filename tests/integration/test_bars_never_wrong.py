"""Kept pages of bars are never wrong: whatever writes, in whichever order, and whatever is killed between two steps."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from tests.integration.kept_pages import (
    DAYS,
    KEY,
    NOW,
    afresh,
    ask,
    counted,
    forget_levels,
    minute,
    query,
    record,
    stored,
    tick,
)
from timeframes.bars import kept, lookup
from timeframes.bars.changes import current_moment, forget_settled
from timeframes.bars.lookup import MEMORY, REDIS
from timeframes.bars.models import BarChange
from timeframes.bars.page_cache import _client
from timeframes.bars.pages import BarsPage, decode, encode, make_page
from timeframes.bars.stored import stored_of
from timeframes.core.sessions import session_open
from timeframes.models import Bar, Tick
from timeframes.ticks.store import record_ticks

__all__ = ["stored"]  # the fixture that stores bars

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "NSE@OTHER@equity_spot"


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
