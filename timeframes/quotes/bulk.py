"""Writes many quotes from columns, without a Python object for each number."""

from collections.abc import Mapping, Sequence

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import errors, sql

from timeframes.core.quote_copy import HEADER, TRAILER, quote_rows
from timeframes.core.quotes import NUMBER_COLUMNS

# One look at the index for each instrument: is anything stored of it between its first and last new quote?
_STORED = """
SELECT EXISTS (
    SELECT 1 FROM unnest(%(keys)s::text[], %(first)s::int8[], %(last)s::int8[]) AS new(key, first, last)
    JOIN timeframes_quote q ON q.instrument_key = new.key
    AND q.time BETWEEN to_timestamp(new.first / 1e6) - interval '1 millisecond'
               AND to_timestamp(new.last / 1e6) + interval '1 millisecond'
)
"""
_COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)")
_UPSERT = sql.SQL(
    "INSERT INTO timeframes_quote AS stored ({columns}) SELECT {columns} FROM quote_staging"
    " ON CONFLICT (instrument_key, time) DO UPDATE SET {changes} WHERE ({old}) IS DISTINCT FROM ({new})"
)


def record_quote_columns(
    keys: Sequence[str],
    place: NDArray[np.int64],
    time: NDArray[np.int64],
    source: str,
    numbers: Mapping[str, NDArray[np.float64]],
) -> int:
    """Store quotes and return how many rows were new or changed. An equal quote is not written again.

    Row i is of `keys[place[i]]` at `time[i]` microseconds since 1970; no two rows share both. `numbers`: by the columns
    of Quote that the source gives, NaN for null. A stored quote keeps the other columns. Runs in one transaction, or in
    the caller's.
    """
    if unknown := numbers.keys() - set(NUMBER_COLUMNS):
        raise ValueError(f"a quote has no {', '.join(sorted(unknown))}")
    if not len(place):
        return 0
    # The order of the primary key (keys are ASCII): neighbours go to one page of the index.
    rank = np.argsort(np.argsort(np.array(keys)))
    order = np.lexsort((time, rank[place]))
    place, time = place[order], time[order]
    blocks = [HEADER, *quote_rows(keys, place, time, source, [numbers[name][order] for name in numbers]), TRAILER]
    with transaction.atomic():
        changed = None if _any_stored(keys, place, time) else _copy_new(blocks, list(numbers), len(place))
        if changed is None:
            changed = _upsert(blocks, list(numbers))
    return changed


def analyze_quotes() -> None:
    """Bring the statistics of the table up to date, after many new rows: the next query may come before autovacuum."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE timeframes_quote")


def _any_stored(keys: Sequence[str], place: NDArray[np.int64], time: NDArray[np.int64]) -> bool:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(place)) + 1])
    ends = np.concatenate([starts[1:], [len(place)]]) - 1
    wanted = {
        "keys": [keys[at] for at in place[starts].tolist()],
        "first": time[starts].tolist(),
        "last": time[ends].tolist(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORED, wanted)
        return bool(cursor.fetchone()[0])


def _names(numbers: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, ("instrument_key", "time", "source", *numbers)))


def _copy_new(blocks: Sequence[bytes], numbers: Sequence[str], rows: int) -> int | None:
    """Copy straight into the table, twice as fast as by staging. None if another import stored the same meanwhile."""
    statement = _COPY.format(table=sql.Identifier("timeframes_quote"), columns=_names(numbers))
    try:
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)
    except errors.UniqueViolation:
        return None
    return rows


def _upsert(blocks: Sequence[bytes], numbers: Sequence[str]) -> int:
    given = ("source", *numbers)
    columns = _names(numbers)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE quote_staging (LIKE timeframes_quote) ON COMMIT DROP")
        with cursor.copy(_COPY.format(table=sql.Identifier("quote_staging"), columns=columns)) as copy:
            for block in blocks:
                copy.write(block)
        cursor.execute(
            _UPSERT.format(
                columns=columns,
                changes=sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(n)) for n in given),
                old=sql.SQL(", ").join(sql.Identifier("stored", name) for name in given),
                new=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in given),
            )
        )
        changed: int = cursor.rowcount
        cursor.execute("DROP TABLE quote_staging")
    return changed
