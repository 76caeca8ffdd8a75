"""Series on whatever server the tests have: their views as they should be, and stored rows of any age."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from timeframes.models import Tick
from timeframes.storage.aggregates import AGGREGATES, removal
from timeframes.storage.ensure import ensure
from timeframes.storage.server import Edition, detect
from timeframes.ticks.store import record_ticks

KEY = "NSE@NIFTY@equity_spot"


@pytest.fixture
def edition() -> Edition:
    return detect(connection).edition


@pytest.fixture(autouse=True)
def whole() -> Iterator[None]:
    """Leave the views of other tests as they should be. The server's own jobs would run at moments of theirs."""
    server = detect(connection)
    if server.hypertables:
        execute("SELECT _timescaledb_functions.stop_background_workers()")
    if server.edition is Edition.COMMUNITY:
        drop_aggregates()  # after TRUNCATE they have rows until they are refreshed
        ensure(connection)
    yield
    ensure(connection)


def execute(query: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def drop_aggregates() -> None:
    server = detect(connection)
    for name in AGGREGATES:
        for statement in removal(name, server, continuous=server.edition is Edition.COMMUNITY):
            execute(statement)


def refresh() -> None:
    if detect(connection).edition is Edition.COMMUNITY:
        for name, seconds in AGGREGATES.items():
            options = json.dumps({"buckets_per_batch": 86_400 * 10 // seconds})
            execute("CALL refresh_continuous_aggregate(%s, NULL, NULL, options => %s::jsonb)", [f'"{name}"', options])


def store_ticks(ages: list[float], key: str = KEY) -> None:
    """Store a tick of each age, in days."""
    now = datetime.now(UTC)
    record_ticks(
        Tick, [(key, now - timedelta(days=age), f"{place}-0", 1.0, *[None] * 11, "") for place, age in enumerate(ages)]
    )


def store_bars(interval: str, times: list[datetime], key: str = KEY) -> None:
    query = """INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, source)
        SELECT %s, %s, unnest(%s::timestamptz[]), 1, 1, 1, 1, 'test'"""
    execute(query, [key, interval, times])
