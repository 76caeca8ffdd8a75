"""Backups of databases with hypertables. pg_dump of our tables does not reach their rows, which are in chunks.

Such a backup is a zip: `tables.dump` of pg_dump, the rows of each hypertable as COPY writes them, and their columns. It
can be restored on a server without TimescaleDB. The tables are plain ones then, and `ensure` makes of them what that
server has.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from signalsite.embedded.binaries import postgres_bin
from signalsite.postgres_programs import BackupError, child, client, end_of, environment, run

DUMP, COLUMNS = "tables.dump", "columns.json"
BLOCK = 1 << 20
_THERE = "SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL"
_HYPERTABLES = """
SELECT h.hypertable_name, array_agg(a.attname::text ORDER BY a.attnum)
FROM timescaledb_information.hypertables h
JOIN pg_attribute a ON a.attrelid = format('%%I.%%I', h.hypertable_schema, h.hypertable_name)::regclass
WHERE h.hypertable_schema = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY h.hypertable_name ORDER BY 1
"""
_CONTINUOUS = "SELECT view_name FROM timescaledb_information.continuous_aggregates WHERE view_schema = %s"
_ITS_TRIGGERS = re.compile(r"; \d+ \d+ TRIGGER .+ ts_(insert_blocker|cagg_invalidation_trigger) ")
DROP_CONTINUOUS = """
DO $$ DECLARE name text; BEGIN
  IF to_regclass('timescaledb_information.continuous_aggregates') IS NOT NULL THEN
    FOR name IN SELECT format('%I.%I', view_schema, view_name) FROM timescaledb_information.continuous_aggregates
      WHERE view_schema = 'public' LOOP
      EXECUTE 'DROP MATERIALIZED VIEW IF EXISTS ' || name || ' CASCADE';
    END LOOP;
  END IF;
END $$;
"""
"""DROP VIEW refuses them."""


def hypertables(connection: BaseDatabaseWrapper, schema: str) -> dict[str, list[str]]:
    """Return the hypertables of a schema, with their columns."""
    with connection.cursor() as cursor:
        cursor.execute(_THERE)
        if not cursor.fetchone()[0]:
            return {}
        cursor.execute(_HYPERTABLES, [schema])
        return dict(cursor.fetchall())


def write_with_rows(
    connection: BaseDatabaseWrapper, file: Path, schema: str, tables: dict[str, list[str]], options: list[str]
) -> None:
    """Write a backup as of one moment: pg_dump reads the snapshot of the transaction that copies the rows."""
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        transaction.atomic(using=connection.alias),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 3")  # as pg_dump does
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        cursor.execute(_CONTINUOUS, [schema])
        views = [f'--exclude-table={schema}."{name}"' for (name,) in cursor.fetchall()]
        archive.writestr(COLUMNS, json.dumps(tables))
        with archive.open(zipfile.ZipInfo(DUMP), "w", force_zip64=True) as member:  # compressed already
            _dump(client(connection, "pg_dump", *options, *views, f"--snapshot={snapshot}"), connection, member)
        for table, columns in tables.items():
            rows = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, table)
            )
            with archive.open(f"rows/{table}", "w", force_zip64=True) as member, cursor.copy(rows) as copy:
                for block in copy:
                    member.write(block)


def _dump(command: list[str], connection: BaseDatabaseWrapper, into: IO[bytes]) -> None:
    with (
        tempfile.TemporaryFile() as complaints,
        child(command, environment(connection), complaints, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout
        shutil.copyfileobj(process.stdout, into, BLOCK)
        if process.wait() != 0:
            raise BackupError(end_of(complaints))


@contextmanager
def opened(file: Path) -> Iterator[tuple[Path, zipfile.ZipFile | None]]:
    """Yield the dump of a backup, and the archive with the rows of hypertables if it has any. Raises BackupError."""
    if not file.is_file() or not zipfile.is_zipfile(file):
        yield file, None
        return
    try:
        with zipfile.ZipFile(file) as archive, tempfile.NamedTemporaryFile(prefix="signalsite-") as dump:
            with archive.open(DUMP) as member:
                shutil.copyfileobj(member, dump, BLOCK)
            dump.flush()
            yield Path(dump.name), archive
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise BackupError(f"{file} cannot be read as a backup: {error}") from error


def chosen(dump: Path) -> list[str]:
    """Return the list of what pg_restore is to restore: all but the triggers that older TimescaleDBs make."""
    lines = run([str(postgres_bin() / "pg_restore"), "--list", str(dump)], dict(os.environ)).splitlines(keepends=True)
    return [line for line in lines if not _ITS_TRIGGERS.search(line)]


def copy_rows(archive: zipfile.ZipFile, schema: str, into: IO[bytes]) -> None:
    """Write the rows as a script of psql. No trigger sees them: it would keep all rows of a table at once."""
    for table, columns in json.loads(archive.read(COLUMNS)).items():
        name = sql.Identifier(schema, table)
        statement = sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER;\nCOPY {} ({}) FROM stdin;\n").format(
            name, name, sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        into.write(statement.as_string().encode())
        with archive.open(f"rows/{table}") as member:
            shutil.copyfileobj(member, into, BLOCK)
        into.write(sql.SQL("\\.\nALTER TABLE {} ENABLE TRIGGER USER;\n").format(name).as_string().encode())
