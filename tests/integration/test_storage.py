"""Hypertables, aggregates and retention, on whatever server the tests have.

TEST_DATABASE_URL runs the same tests on a TimescaleDB of yours whose template1 has the extension, as that of the Docker
image has. What a server cannot do is skipped there.
"""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import random_market
from tests.integration.stored_series import (
    KEY,
    drop_aggregates,
    edition,
    execute,
    refresh,
    store_bars,
    store_ticks,
    whole,
)
from timeframes.bars.services import record_bars
from timeframes.core.fold import fold
from timeframes.core.grid import Anchor, instant, make_grid
from timeframes.models import Tick
from timeframes.storage import ensure as ensuring
from timeframes.storage.aggregates import AGGREGATES
from timeframes.storage.ensure import StorageBusy, ensure, missing
from timeframes.storage.plan import NameTaken, series_models
from timeframes.storage.server import Edition
from timeframes.storage.status import status
from timeframes.ticks.store import record_ticks

__all__ = ["edition", "whole"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
DAYS = (date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 22))


# --- aggregates -------------------------------------------------------------------------------------------------------


def folded(key: str, minutes: Any, seconds: int) -> list[tuple[Any, ...]]:
    grid = make_grid("NSE", seconds, Anchor.EPOCH, date(2023, 12, 1), date(2024, 3, 1))
    found = fold({60: minutes}, None, grid)
    names = ("open", "high", "low", "close", "volume", "open_interest")
    columns = [[None if value != value else value for value in getattr(found, name).tolist()] for name in names]
    return [
        (key, instant(time), *row) for time, row in zip(found.time.tolist(), zip(*columns, strict=True), strict=True)
    ]


def test_aggregates_have_the_bars_that_the_fold_makes_of_minutes() -> None:
    stored = {}
    for number, key in enumerate((KEY, "NSE@OTHER@equity_spot")):
        bars, _ = random_market(random.Random(number), "NSE", DAYS, ticks_a_day=1)
        stored[key] = bar_columns(bars[60])
        for seconds, rows in bars.items():  # longer bars take no part
            record_bars(key, seconds, bar_columns(rows), source="test")
    for refreshed in (False, True):
        if refreshed:
            refresh()
        for name, seconds in AGGREGATES.items():
            rows = execute(
                f'SELECT instrument_key, time, open, high, low, close, volume, oi FROM "{name}" ORDER BY 1, 2'
            )
            expected = [row for key, minutes in sorted(stored.items()) for row in folded(key, minutes, seconds)]
            assert len(rows) == len(expected) > 20
            for row, wanted in zip(rows, expected, strict=True):
                assert row[:6] == wanted[:6] and row[7] == wanted[7]
                assert (row[6] or 0.0) == pytest.approx(wanted[6] or 0.0, rel=1e-12)
                assert (row[6] is None) == (wanted[6] is None)


def test_an_hour_counts_from_the_epoch_and_five_minutes_meet_the_session() -> None:
    opening = datetime(2024, 1, 19, 3, 45, tzinfo=UTC)  # 09:15 in India
    store_bars("1m", [opening, opening + timedelta(minutes=1)])
    for name, begins in (
        ("1min_aggregate", opening),
        ("5min_aggregate", opening),
        ("1hr_aggregate", opening.replace(minute=0)),
    ):
        assert execute(f'SELECT min(time) FROM "{name}"') == [(begins,)]


# --- ensure -----------------------------------------------------------------------------------------------------------


def test_after_the_migrations_nothing_is_missing(edition: Edition) -> None:
    assert missing(connection) == [] and ensure(connection) == 0
    assert {"historical_data", "ticks", "timeframes_quote"} <= set(series_models())
    found = status(connection)
    assert {table.hypertable for table in found.tables} == {edition is not Edition.POSTGRESQL}
    kind = "continuous aggregate" if edition is Edition.COMMUNITY else "view"
    assert {(each.name, each.kind) for each in found.aggregates} == {(name, kind) for name in AGGREGATES}


def test_every_unique_index_of_a_series_has_the_time() -> None:
    """A hypertable needs it."""
    query = """SELECT c.relname, array_agg(a.attname) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
        WHERE i.indisunique AND c.relname = ANY(%s) GROUP BY c.relname, i.indexrelid"""
    found = execute(query, [list(series_models())])
    models = series_models()
    assert {table for table, _ in found} == set(models)
    assert all("time" in columns and models[table].key in columns for table, columns in found)


def test_a_stale_view_is_made_anew_and_a_foreign_one_stays() -> None:
    said = list[str]()
    execute("""COMMENT ON VIEW "5min_aggregate" IS 'signalsite: view, of an earlier version'""")
    assert ensure(connection, said=said.append) == 1 and "5min_aggregate: make it as a" in said[0]
    assert missing(connection) == []
    execute("""COMMENT ON VIEW "5min_aggregate" IS 'the desk''s own'""")
    with pytest.raises(NameTaken, match="5min_aggregate is there already and is not ours"):
        ensure(connection)
    with pytest.raises(CommandError, match="5min_aggregate is there already"):
        call_command("timescale", "status")
    assert execute("""SELECT obj_description('"5min_aggregate"'::regclass)""") == [("the desk's own",)]
    execute("""COMMENT ON VIEW "5min_aggregate" IS 'signalsite: '""")


def test_forty_at_once_do_each_step_once() -> None:
    drop_aggregates()

    def one(number: int) -> int:
        try:
            return ensure(connection)  # each thread has a connection of its own
        finally:
            connection.close()

    with ThreadPoolExecutor(40) as pool:
        assert sum(pool.map(one, range(40))) == len(AGGREGATES)
    assert missing(connection) == []


def test_a_table_in_use_is_named_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensuring, "LOCK_SECONDS", 0.1)
    drop_aggregates()
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE historical_data IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StorageBusy, match=r"historical_data was in use for 0\.1 s"):
                ensure(connection)
            with pytest.raises(CommandError, match="historical_data was in use"):
                call_command("timescale", "ensure")
    finally:
        other.close()
    assert len(missing(connection)) == len(AGGREGATES)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_is_there_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], edition: Edition
) -> None:
    call_command("timescale", "status")
    shown = capsys.readouterr().out
    assert shown.startswith(f"{edition}: PostgreSQL ") and "ticks: " in shown and "missing" not in shown
    drop_aggregates()
    with pytest.raises(SystemExit, match="1"):
        call_command("timescale", "status", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["edition"] == edition and len(found["missing"]) == len(AGGREGATES)
    assert [each["kind"] for each in found["aggregates"]] == [None] * len(AGGREGATES)
    assert {table["name"] for table in found["tables"]} == set(series_models())
    call_command("timescale", "ensure")
    assert capsys.readouterr().out.count("aggregate: make it as a") == len(AGGREGATES)
    call_command("timescale", "ensure")
    assert "have all that this server can do" in capsys.readouterr().out


# --- TimescaleDB ------------------------------------------------------------------------------------------------------


def test_compressed_chunks_take_bars_and_ticks_as_others_do(edition: Edition) -> None:
    if edition is not Edition.COMMUNITY:
        pytest.skip("needs TimescaleDB with the community licence")
    bars, _ = random_market(random.Random(2), "NSE", DAYS, ticks_a_day=1)
    minutes = bar_columns(bars[60])
    record_bars(KEY, 60, minutes, source="test")
    store_ticks([1000, 1000.5, 1001])
    before = execute("SELECT * FROM historical_data ORDER BY time")
    for table in ("historical_data", "ticks"):
        assert execute("SELECT count(compress_chunk(c)) FROM show_chunks(%s) c", [table])[0][0] >= 1
    assert execute("SELECT * FROM historical_data ORDER BY time") == before
    assert record_bars(KEY, 60, minutes, source="test") == 0
    minutes.close[:5] = np.maximum(minutes.close[:5], 1) * 2
    assert record_bars(KEY, 60, minutes, source="test") == 5
    rows = execute("SELECT instrument_key, time, entry_id FROM ticks")
    again = [(*row, 2.0, *[None] * 11, "") for row in rows]
    record_ticks(Tick, [*again, (KEY, rows[0][1], "9-9", 3.0, *[None] * 11, "")])
    assert execute("SELECT ltp, count(*) FROM ticks GROUP BY 1 ORDER BY 1") == [(1.0, 3), (3.0, 1)]
