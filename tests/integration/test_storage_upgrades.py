"""A database that holds ticks and quotes keeps them, whatever it becomes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections

from tests.integration.test_migrations import scratch
from timeframes.storage.aggregates import AGGREGATES
from timeframes.storage.ensure import ensure, missing
from timeframes.storage.server import Edition, detect
from timeframes.storage.status import status

ROWS = {
    "ticks": """INSERT INTO ticks (instrument_key, time, entry_id, ltp, suspect)
        SELECT 'NSE@K' || k || '@equity_spot', timestamptz '2024-01-19T03:45Z' + s * interval '37 s', s || '-' || k, s,
               ''
        FROM generate_series(1, 3) k, generate_series(1, 4000) s""",
    "timeframes_quote": """INSERT INTO timeframes_quote (instrument_key, time, last, source)
        SELECT instrument_key, time, ltp, 'live' FROM ticks""",
}


@pytest.fixture(autouse=True)
def unblocked(django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def rows(alias: str, query: str) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def everything(alias: str) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(alias, f"SELECT * FROM {table} ORDER BY instrument_key, time") for table in ROWS}


def add_timescaledb(alias: str) -> None:
    connections[alias].close()  # the extension wants to be the first that a session says
    rows(alias, "CREATE EXTENSION timescaledb")
    connections[alias].close()


def filled(alias: str) -> dict[str, list[tuple[Any, ...]]]:
    call_command("migrate", "timeframes", "0003", database=alias, verbosity=0)
    for statement in ROWS.values():
        rows(alias, statement)
    return everything(alias)


@pytest.mark.parametrize("extension", ["never", "first", "later"])
def test_an_upgrade_keeps_ticks_and_quotes(extension: str) -> None:
    """With `later`, the upgraded database gains TimescaleDB, and `ensure` adds what it gives."""
    if extension != "never" and not detect(connection).available:
        pytest.skip("needs TimescaleDB")
    with scratch("signalsite_upgrade") as alias:
        if extension == "first":
            add_timescaledb(alias)
        before = filled(alias)
        call_command("migrate", "timeframes", database=alias, verbosity=0)
        assert everything(alias) == before
        if extension == "later":
            assert {each.kind for each in status(connections[alias]).aggregates} == {"view"}
            add_timescaledb(alias)
            assert len(missing(connections[alias])) >= len(AGGREGATES) + len(ROWS)
            assert ensure(connections[alias]) >= len(AGGREGATES) + len(ROWS)
            assert everything(alias) == before
        assert missing(connections[alias]) == []
        found, edition = status(connections[alias]), detect(connections[alias]).edition
        made = connections[alias].introspection.table_names()  # other apps' tables come later
        assert {table.hypertable for table in found.tables if table.name in made} == {edition is not Edition.POSTGRESQL}
        assert (extension == "never") == (edition is Edition.POSTGRESQL)
