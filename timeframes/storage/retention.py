"""Remove rows that are older than the settings allow, where TimescaleDB has no policy for it.

Rows go by whole chunks on every server: those of a chunk's time go when all of it is older than the setting says. So a
day of ticks is there as a whole or not at all. On a hypertable of the Apache edition, the task of beat drops chunks. In
a plain table it deletes rows in small batches along the primary key, which begins with the series' key. Where only some
of a chunk's rows go (bars by their interval), it deletes rows on every server.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from timeframes.core.series import Series
from timeframes.storage.plan import compression, keep_days, keep_days_by_value, series_models
from timeframes.storage.server import Edition, Server, detect

logger = logging.getLogger(__name__)
LOCK = 0x7265_7465_6E74_696F  # a second run at the same time has nothing to do
INSTRUMENTS, ROWS = 50, 1000
"""A batch deletes of so many instruments about so many rows each."""
STATEMENT_SECONDS, LOCK_SECONDS = 30, 5

_CUTOFF = """
SELECT date_bin(make_interval(days => %s), now() - make_interval(days => %s), timestamptz '1970-01-01T00:00:00Z')
"""
_CHUNKS = """
SELECT range_start, range_end, is_compressed FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %s AND range_end <= %s ORDER BY range_start
"""
# A loose index scan: one probe a key. A plain table is walked over all times, which `within` leaves out.
# ORDER BY keeps the planner on the primary key, whatever the statistics say.
_DUE = sql.SQL("""
WITH RECURSIVE walk(key) AS (
    (SELECT {key} FROM {table} WHERE {key} >= {start}{within} ORDER BY {key} LIMIT 1)
    UNION ALL
    SELECT (SELECT {key} FROM {table} WHERE {key} > walk.key{within} ORDER BY {key} LIMIT 1)
    FROM walk WHERE walk.key IS NOT NULL
)
SELECT key FROM walk WHERE key IS NOT NULL
AND (SELECT time FROM {table} WHERE {key} = walk.key{due} ORDER BY time LIMIT 1) IS NOT NULL
LIMIT {instruments}""")
_UNTIL = sql.SQL("""
SELECT key, coalesce(
    (SELECT time FROM {table} WHERE {key} = given.key{due} ORDER BY time OFFSET {rows} LIMIT 1), {end}
) FROM unnest({keys}::text[]) AS given(key)""")
# The last moment counts as a whole: it may have more rows than a batch.
_DELETE = sql.SQL("DELETE FROM {table} WHERE {key} = {value}{due} AND time <= {until}")
_DELETE_ALL = sql.SQL("DELETE FROM {table} WHERE true{due}")
_COUNT = """
INSERT INTO timeframes_retention AS kept ("table", removed) VALUES (%s, %s)
ON CONFLICT ("table") DO UPDATE SET removed = kept.removed + EXCLUDED.removed
"""
_FINISHED = """
INSERT INTO timeframes_retention ("table", removed, finished_at) VALUES (%s, 0, now())
ON CONFLICT ("table") DO UPDATE SET finished_at = EXCLUDED.finished_at
"""


@dataclass(frozen=True, slots=True)
class _Due:
    """The rows of `table` before `cutoff`; of one value of a column, where `column` names one."""

    table: str
    key: str
    cutoff: datetime
    column: str | None
    value: str | None

    def rows(self, begin: datetime | None, end: datetime) -> sql.Composed:
        parts = [sql.SQL(" AND time < {}").format(end)]
        if begin is not None:
            parts.append(sql.SQL(" AND time >= {}").format(begin))
        if self.column is not None:
            parts.append(sql.SQL(" AND {} = {}").format(sql.Identifier(self.column), self.value))
        return sql.Composed(parts)


class _Elsewhere(Exception):
    """Another run holds the lock."""


def expire(*, seconds: float) -> bool:
    """Remove what is due for about so many seconds, and return whether more may be left.

    Each batch is one transaction, so a run that is killed loses nothing and the next one goes on.
    """
    until = time.monotonic() + seconds
    server = detect(connection)
    try:
        for table, series in series_models().items():
            total = 0
            for removed in _removals(server, table, series):
                total += removed
                if time.monotonic() > until:
                    _say(table, total)
                    return True
            _say(table, total)
            with _batch() as cursor:
                cursor.execute(_FINISHED, [table])
    except _Elsewhere:
        logger.debug("retention runs elsewhere")
    return False


def kept_since(table: str) -> datetime | None:
    """Return the moment from which all rows of a table are there, by the settings; None: from the first on."""
    series = series_models()[table]
    days = keep_days(series)
    return _due(table, series, days).cutoff if days else None


def _say(table: str, removed: int) -> None:
    if removed:
        logger.info("rows of %s removed because of their age", table, extra={"table": table, "removed": removed})


@contextmanager
def _batch() -> Iterator[Any]:
    """Open a transaction with time limits, under the lock. Raises _Elsewhere."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"
        )
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise _Elsewhere
        yield cursor


def _removals(server: Server, table: str, series: Series) -> Iterator[int]:
    """Remove batch after batch, and yield how many rows (or chunks) each was."""
    with connection.cursor() as cursor:
        plain = compression(cursor, server, table) is None
    days = keep_days(series)
    if days and plain:
        yield from _delete(_due(table, series, days), plain=True)
    elif days and server.edition is Edition.APACHE:
        yield from _drop_chunks(server, table, days)
    for value, value_days in keep_days_by_value(series).items():
        yield from _delete(_due(table, series, value_days, value), plain=plain)


def _due(table: str, series: Series, days: int, value: str | None = None) -> _Due:
    with connection.cursor() as cursor:
        cursor.execute(_CUTOFF, [series.chunk_days, days])  # by the database's clock
        return _Due(table, series.key, cursor.fetchone()[0], None if value is None else series.keep_by, value)


def _drop_chunks(server: Server, table: str, days: int) -> Iterator[int]:
    drop = sql.SQL("SELECT count(*) FROM {}({}, older_than => make_interval(days => {}))").format(
        server.call("drop_chunks"), table, days
    )
    with _batch() as cursor:
        cursor.execute(drop)
        (removed,) = cursor.fetchone()
        cursor.execute(_COUNT, [table, removed])
    yield removed


def _delete(due: _Due, *, plain: bool) -> Iterator[int]:
    if plain:
        yield from _along_the_key(due, due.rows(None, due.cutoff), due.cutoff, sql.SQL(""))
        return
    with connection.cursor() as cursor:
        cursor.execute(_CHUNKS, [due.table, due.cutoff])
        chunks = cursor.fetchall()
    for begin, end, compressed in chunks:
        rows = due.rows(begin, end)
        if compressed:  # by whole segments, without decompressing them
            with _batch() as cursor:
                removed = _run(cursor, due.table, [_DELETE_ALL.format(table=sql.Identifier(due.table), due=rows)])
            if removed:  # a chunk that has nothing due ends no run
                yield removed
        else:
            within = sql.SQL(" AND time >= {} AND time < {}").format(begin, end)
            yield from _along_the_key(due, rows, end, within)


def _along_the_key(due: _Due, rows: sql.Composed, end: datetime, within: sql.Composable) -> Iterator[int]:
    table, key, start = sql.Identifier(due.table), sql.Identifier(due.key), ""
    while True:
        with _batch() as cursor:
            cursor.execute(
                _DUE.format(table=table, key=key, start=start, within=within, due=rows, instruments=INSTRUMENTS)
            )
            keys = [each for (each,) in cursor.fetchall()]
            if not keys:
                return
            start = keys[0]  # it may have more rows
            cursor.execute(_UNTIL.format(table=table, key=key, due=rows, rows=ROWS - 1, end=end, keys=keys))
            removed = _run(
                cursor,
                due.table,
                (
                    _DELETE.format(table=table, key=key, value=value, due=rows, until=until)
                    for value, until in cursor.fetchall()
                ),
            )
        yield removed


def _run(cursor: Any, table: str, statements: Iterable[sql.Composed]) -> int:
    removed = 0
    for statement in statements:
        cursor.execute(statement)
        removed += cursor.rowcount
    cursor.execute(_COUNT, [table, removed])
    return removed
