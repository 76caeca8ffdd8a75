"""Writes ticks to their tables."""

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
# Each connection creates it once, and each commit empties it: one table per batch would bloat the catalogue.
_STAGING = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS")
_COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
_INSERT = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING")

TickRow = tuple[str, datetime, str, *tuple[float | None, ...], str]


def record_ticks(model: type[AbstractTick], rows: Sequence[TickRow]) -> None:
    """Store ticks. Each row is (instrument_key, time, entry_id, then NUMBERS, then suspect).

    Safe to repeat: a stored tick stays as it is. The rows are committed and on disk on return, unless a transaction of
    the caller is open. New ticks are copied straight into the table. If one of them is stored already, all of them go
    through a staging table, which takes twice as long.
    """
    table = sql.Identifier(model._meta.db_table)
    try:
        # COPY alone is a transaction: BEGIN and COMMIT would add two round trips.
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
