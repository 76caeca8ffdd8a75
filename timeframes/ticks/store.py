"""Ticks into their table."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from psycopg import sql

from timeframes.ticks.models import AbstractTick

NUMBERS = (
    *("ltp", "last_quantity", "volume", "open_interest", "bid", "ask", "bid_size", "ask_size"),
    *("open", "high", "low", "close"),
)
_TYPES = ["text", "timestamptz", "text", *["float8"] * len(NUMBERS), "text"]
_NAMES = sql.SQL(", ").join(map(sql.Identifier, ("instrument_key", "time", "entry_id", *NUMBERS, "suspect")))
# Made once a connection and emptied by each commit: a table made each time would fill the catalogue, hundreds a second.
_STAGING = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS")
_COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
_INSERT = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING")

TickRow = tuple[str, datetime, str, *tuple[float | None, ...], str]


def record_ticks(model: type[AbstractTick], rows: Sequence[TickRow]) -> None:
    """Store ticks, each (instrument_key, time, entry_id, then NUMBERS, suspect).

    Safe to repeat: a tick that is there stays as it is. One transaction, committed (and on disk) on return, or part of
    the caller's. New ticks go straight into the table; only when one turns out to be there, all go by a staging table,
    which takes twice as long.
    """
    table = sql.Identifier(model._meta.db_table)
    try:
        # Alone, COPY is a transaction by itself: BEGIN and COMMIT would be two more waits for the server.
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            _copy(cursor, table, rows)
        return
    except psycopg.errors.UniqueViolation:
        pass
    staging = sql.Identifier(f"staging_{model._meta.db_table}")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STAGING.format(staging, table))
        _copy(cursor, staging, rows)
        cursor.execute(_INSERT.format(table, _NAMES, _NAMES, staging))


def _copy(cursor: Any, table: sql.Identifier, rows: Sequence[TickRow]) -> None:
    with cursor.copy(_COPY.format(table, _NAMES)) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)
