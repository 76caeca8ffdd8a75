"""Bulk upserts: binary COPY into a temporary table, then one INSERT ... ON CONFLICT."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from psycopg import sql

ANALYZE_ROWS = 2000
"""After this many new rows, ANALYZE the table at once, since the next query may come before autovacuum. The first job
after an import took 37 s instead of 1 with stale statistics."""


def upsert(
    model: type[Model],
    columns: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
    *,
    key: Sequence[str],
    update: sql.Composable | None,
) -> int:
    """Write `rows` (in the order of `columns`: name to PostgreSQL type) and return how many were inserted or changed.

    `key`: the columns of the unique constraint; no two rows may share them. `update`: what follows DO UPDATE for rows
    that exist (`EXCLUDED` is the new row, `stored` the old one); None leaves them alone. One transaction, or part of
    the caller's.
    """
    table = sql.Identifier(model._meta.db_table)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    types = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns.items()
    )
    action = sql.SQL("NOTHING") if update is None else sql.SQL("UPDATE {}").format(update)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE staging ({}) ON COMMIT DROP").format(types))
        with cursor.copy(sql.SQL("COPY staging ({}) FROM STDIN (FORMAT BINARY)").format(names)) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            sql.SQL("INSERT INTO {} AS stored ({}) SELECT {} FROM staging ON CONFLICT ({}) DO {}").format(
                table, names, names, sql.SQL(", ").join(map(sql.Identifier, key)), action
            )
        )
        changed: int = cursor.rowcount
        cursor.execute("DROP TABLE staging")
        if changed >= ANALYZE_ROWS:
            cursor.execute(sql.SQL("ANALYZE {}").format(table))
    return changed
