"""Backups of the database, made with the client programs of our PostgreSQL wheel.

They support every server up to their own version. A distribution's programs may be older than the server.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from signalsite.embedded.binaries import postgres_bin
from signalsite.hypertable_backups import DROP_CONTINUOUS, chosen, copy_rows, hypertables, opened, write_with_rows
from signalsite.postgres_programs import BackupError, child, client, end_of, environment, run

SCHEMA = "public"
LOCK_WAIT = "60s"
SESSIONS_SECONDS = 3.0  # how long the sessions of a service that has just stopped may stay

# Tables that `migrate` and beat fill.
NOT_DATA = re.compile("django_migrations|django_content_type|auth_permission|django_celery_beat_.*")
# Skip an extension's objects, and what goes with its owner: a column's sequence, a table's partition.
_PART_OF_ANOTHER = """EXISTS (
  SELECT FROM pg_depend d WHERE d.classid = o.tableoid AND d.objid = o.oid AND d.refobjid <> o.oid
  AND d.deptype IN ('e', 'a', 'i'))"""
_TABLES = f"""
SELECT o.relname, o.oid::regclass::text FROM pg_class o
WHERE o.relnamespace = '{SCHEMA}'::regnamespace AND o.relkind IN ('r', 'p') AND NOT {_PART_OF_ANOTHER}
"""
_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# The schema stays: it may not be ours to drop, and extensions live in it.
_DROP_ALL = f"""
SET client_min_messages = warning;
DO $$ DECLARE command text; BEGIN
  -- Collect all names first: CASCADE may drop objects while the loop runs.
  FOREACH command IN ARRAY ARRAY(
    SELECT format('DROP %s IF EXISTS %s CASCADE', CASE o.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                  WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
                  o.oid::regclass)
    FROM pg_class o
    WHERE o.relnamespace = '{SCHEMA}'::regnamespace AND o.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
      AND NOT {_PART_OF_ANOTHER}
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', o.oid::regprocedure) FROM pg_proc o
    WHERE o.pronamespace = '{SCHEMA}'::regnamespace AND NOT {_PART_OF_ANOTHER}
    UNION ALL
    SELECT format('DROP TYPE IF EXISTS %s CASCADE', o.oid::regtype) FROM pg_type o
    WHERE o.typnamespace = '{SCHEMA}'::regnamespace AND o.typtype IN ('e', 'd', 'r') AND NOT {_PART_OF_ANOTHER}
  ) LOOP EXECUTE command; END LOOP;
END $$;
"""


def write_backup(connection: BaseDatabaseWrapper, file: Path) -> int:
    """Write all rows as of one moment to `file`, and return its size in bytes.

    The file appears whole or not at all, replaces an earlier one, and only its owner may read it.
    """
    what = [
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--schema={SCHEMA}",
        f"--lock-wait-timeout={LOCK_WAIT}",
    ]
    try:
        with _appearing_whole(file) as fresh:
            if tables := hypertables(connection, SCHEMA):
                write_with_rows(connection, fresh, SCHEMA, tables, what)
            else:
                run(client(connection, "pg_dump", *what, f"--file={fresh}"), environment(connection))
            size = fresh.stat().st_size
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    except DatabaseError as error:
        raise BackupError(f"The server refuses: {error}") from error
    return size


def restore_backup(connection: BaseDatabaseWrapper, file: Path, *, replace: bool) -> int:
    """Restore `file` in one transaction, and return how many migrations of this version the backup lacks.

    Raises BackupError when a service is connected, when the database has data and `replace` is false, and when `file`
    is not a backup or comes from a newer version.
    """
    with opened(file) as (dump, rows):
        applied = _migrations_in(file, dump)
        known = set(MigrationLoader(None).disk_migrations)
        if newer := sorted(applied - known):
            raise BackupError(f"{file} was made by a newer version: it has {'.'.join(newer[0])}, which this one lacks.")
        _refuse_sessions(connection)
        if not replace and (table := _table_with_data(connection)):
            raise BackupError(f"The database has data (in {table}). --replace drops all of it for the backup's.")
        _replace_all(connection, dump, rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a backup has no statistics
    return len(known - applied)


def _migrations_in(file: Path, dump: Path) -> set[tuple[str, str]]:
    """Return the app and name of each migration that the backup's database had applied."""
    if not file.is_file():
        raise BackupError(f"{file} is not there, or is no file.")
    read = [str(postgres_bin() / "pg_restore"), "--data-only", "--table=django_migrations", "--file=-", str(dump)]
    try:
        lines = iter(run(read, dict(os.environ)).splitlines())
    except BackupError as error:
        raise BackupError(f"{file} cannot be read as a backup: {error}") from error
    for line in lines:
        if found := re.match(r"COPY public\.django_migrations \((.+)\) FROM stdin;", line):
            columns = found[1].split(", ")
            rows = [dict(zip(columns, row.split("\t"), strict=True)) for row in iter(lambda: next(lines), "\\.")]
            return {(row["app"], row["name"]) for row in rows}
    raise BackupError(f"{file} is no backup of this project: it has no list of migrations.")


def _refuse_sessions(connection: BaseDatabaseWrapper) -> None:
    deadline = time.monotonic() + SESSIONS_SECONDS
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_SESSIONS)
            (others,) = cursor.fetchone()
        if not others:
            return
        if time.monotonic() > deadline:
            raise BackupError(f"{others} other sessions use the database: stop the service first.")
        time.sleep(0.1)


def _table_with_data(connection: BaseDatabaseWrapper) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        for name, quoted in cursor.fetchall():
            if not NOT_DATA.fullmatch(name):
                cursor.execute(f"SELECT EXISTS (SELECT FROM {quoted})")
                if cursor.fetchone()[0]:
                    return str(name)
    return None


def _replace_all(connection: BaseDatabaseWrapper, file: Path, rows: zipfile.ZipFile | None) -> None:
    """Let psql run the script that pg_restore writes. COMMIT follows only after pg_restore has succeeded."""
    options = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--file=-"]
    psql = client(connection, "psql", *options)
    read = [str(postgres_bin() / "pg_restore"), "--no-owner", "--no-privileges", f"--schema={SCHEMA}", "--file=-"]
    with tempfile.NamedTemporaryFile("w", prefix="signalsite-") as choice, tempfile.TemporaryFile() as complaints:
        choice.writelines(chosen(file))
        choice.flush()
        with (
            child(psql, environment(connection), complaints, stdin=subprocess.PIPE) as writer,
            child(
                [*read, f"--use-list={choice.name}", str(file)], dict(os.environ), complaints, stdout=subprocess.PIPE
            ) as reader,
        ):
            assert writer.stdin and reader.stdout
            with suppress(BrokenPipeError):  # psql has ended; its status and messages say why
                writer.stdin.write(b"BEGIN;" + (DROP_CONTINUOUS + _DROP_ALL).encode())
                writer.stdin.write(_for_server(reader.stdout.read(1 << 16), connection))
                shutil.copyfileobj(reader.stdout, writer.stdin)
                if reader.wait() == 0:
                    if rows is not None:
                        copy_rows(rows, SCHEMA, writer.stdin)
                    writer.stdin.write(b"COMMIT;\n")
            with suppress(BrokenPipeError):  # close() flushes the rest, and fails again
                writer.stdin.close()
            reader.stdout.close()
            if (reader.wait(), writer.wait()) != (0, 0):
                raise BackupError(f"Nothing was restored and nothing was changed: {end_of(complaints)}")


def _for_server(script: bytes, connection: BaseDatabaseWrapper) -> bytes:
    """Remove the one setting that servers before PostgreSQL 17 do not know from the script's beginning."""
    with connection.cursor():
        old = connection.connection.info.server_version < 170000
    return script.replace(b"SET transaction_timeout = 0;\n", b"") if old else script


@contextmanager
def _appearing_whole(file: Path) -> Iterator[Path]:
    """Yield a private file beside `file`, and move it to `file` when the body succeeds."""
    if file.is_dir():
        raise BackupError(f"{file} is a folder: name a file.")
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".partial")
    fresh = Path(name)
    try:
        yield fresh
        os.fsync(descriptor)
        fresh.replace(file)
    except BaseException:
        fresh.unlink()
        raise
    finally:
        os.close(descriptor)
