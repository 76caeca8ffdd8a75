"""Writes many rows of one table from columns, without a Python object for each number."""

from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import Model
from psycopg import errors, sql

from timeframes.core.binary_copy import HEADER, TRAILER

_COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)")
_UPSERT = sql.SQL(
    "INSERT INTO {table} AS stored ({columns}) SELECT {columns} FROM bulk_staging"
    " ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE ({old}) IS DISTINCT FROM ({new})"
)


def write_rows(
    model: type[Model],
    columns: Sequence[str],
    rows: Sequence[bytes],
    count: int,
    *,
    key: Sequence[str],
    compared: Sequence[str],
    replaced: Sequence[str],
    new: bool,
) -> int:
    """Store rows in the bytes of binary COPY and return how many were new or changed.

    No two rows share `key`. A stored row that differs in the columns `compared` gets those and `replaced`. `new`:
    probably none is stored, so they are copied straight into the table, which is twice as fast as by staging. Runs in
    one transaction, or in the caller's.
    """
    blocks = (HEADER, *rows, TRAILER)
    with transaction.atomic():
        changed = _copy_new(model, columns, blocks, count) if new else None
        if changed is None:
            changed = _upsert(model, columns, blocks, key=key, compared=compared, replaced=replaced)
    return changed


def analyze(model: type[Model]) -> None:
    """Bring a table's statistics up to date, after many new rows: the next query may come before autovacuum."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(model._meta.db_table)))


def _names(columns: Sequence[str], *prefix: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in columns)


def _copy_new(model: type[Model], columns: Sequence[str], blocks: Sequence[bytes], count: int) -> int | None:
    """Return None if another import stored the same meanwhile."""
    statement = _COPY.format(table=sql.Identifier(model._meta.db_table), columns=_names(columns))
    try:
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)
    except errors.UniqueViolation:
        return None
    return count


def _upsert(
    model: type[Model],
    columns: Sequence[str],
    blocks: Sequence[bytes],
    *,
    key: Sequence[str],
    compared: Sequence[str],
    replaced: Sequence[str],
) -> int:
    table = sql.Identifier(model._meta.db_table)
    changes = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in (*replaced, *compared)]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE bulk_staging (LIKE {}) ON COMMIT DROP").format(table))
        with cursor.copy(_COPY.format(table=sql.Identifier("bulk_staging"), columns=_names(columns))) as copy:
            for block in blocks:
                copy.write(block)
        cursor.execute(
            _UPSERT.format(
                table=table,
                columns=_names(columns),
                key=_names(key),
                changes=sql.SQL(", ").join(changes),
                old=_names(compared, "stored"),
                new=_names(compared, "excluded"),
            )
        )
        changed: int = cursor.rowcount
        cursor.execute("DROP TABLE bulk_staging")
    return changed
