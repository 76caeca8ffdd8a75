"""What the server can do, and what of it the tables have."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timeframes.core.series import Series
from timeframes.storage.aggregates import AGGREGATES, OURS
from timeframes.storage.ensure import missing
from timeframes.storage.plan import compression, keep_days, keep_days_by_value, series_models
from timeframes.storage.server import Edition, Server, detect

_SIZE = "SELECT pg_total_relation_size(to_regclass(%s))"
_HYPERTABLE_SIZE = sql.SQL("SELECT {}(to_regclass({}))")
_CHUNKS = """
SELECT count(*), count(*) FILTER (WHERE is_compressed), min(range_start), max(range_end)
FROM timescaledb_information.chunks WHERE hypertable_schema = current_schema() AND hypertable_name = %s
"""
# The time of a job that has not succeeded yet is -infinity.
_JOBS = """
SELECT j.hypertable_name, regexp_replace(j.proc_name, '^policy_', ''),
       nullif(s.last_successful_finish, '-infinity'), s.total_failures
FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id)
WHERE j.hypertable_schema = current_schema() AND j.proc_name LIKE 'policy%' ORDER BY 1, 2
"""
_RUNS = 'SELECT "table", removed, finished_at FROM timeframes_retention'
_VIEW = "SELECT split_part(substr(obj_description(to_regclass(%s)), %s), ',', 1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A policy of TimescaleDB. `finished`: when it last succeeded."""

    name: str
    finished: datetime | None
    failures: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`keep_days` has one number, or one by the value of a column. `retention_by`: who removes rows, None for nobody.

    `removed` and `removed_at` tell of the rows (of a hypertable: or chunks) that the task of beat has removed.
    """

    name: str
    hypertable: bool
    bytes: int
    chunks: int
    compressed: int
    begins: datetime | None
    ends: datetime | None
    keep_days: int | dict[str, int]
    retention_by: str | None
    removed: int
    removed_at: datetime | None
    jobs: list[Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """`kind`: continuous aggregate or view; None where it is missing or not ours."""

    name: str
    kind: str | None
    jobs: list[Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`missing`: what `ensure` would do."""

    edition: str
    postgresql: str
    timescaledb: str | None
    licence: str | None
    available: str | None
    compress_after_days: int
    tables: list[Table]
    aggregates: list[Aggregate]
    missing: list[str]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def status(connection: BaseDatabaseWrapper) -> Status:
    """Read the status. Raises NameTaken."""
    server = detect(connection)
    jobs = jobs_by_table(connection, server)
    runs = {table: (removed, at) for table, removed, at in runs_of_retention(connection)}
    with connection.cursor() as cursor:
        tables = [
            _table(cursor, server, name, series, jobs.get(name, []), *runs.get(name, (0, None)))
            for name, series in series_models().items()
        ]
        aggregates = [_aggregate(cursor, name, jobs.get(name, [])) for name in AGGREGATES]
    return Status(
        edition=str(server.edition),
        postgresql=server.postgresql,
        timescaledb=server.timescaledb,
        licence=server.licence if server.timescaledb else None,
        available=server.available,
        compress_after_days=settings.COMPRESS_AFTER_DAYS if server.edition is Edition.COMMUNITY else 0,
        tables=tables,
        aggregates=aggregates,
        missing=missing(connection),
    )


def runs_of_retention(connection: BaseDatabaseWrapper) -> list[tuple[str, int, datetime | None]]:
    """Return of each table what the task of beat has removed, and when nothing that is due was left."""
    with connection.cursor() as cursor:
        cursor.execute(_RUNS)
        return cursor.fetchall()


def jobs_by_table(connection: BaseDatabaseWrapper, server: Server | None = None) -> dict[str, list[Job]]:
    """Return TimescaleDB's policies, by the table or aggregate that they are of."""
    found: dict[str, list[Job]] = {}
    if (server or detect(connection)).hypertables:
        with connection.cursor() as cursor:
            cursor.execute(_JOBS)
            for table, name, finished, failures in cursor.fetchall():
                found.setdefault(table, []).append(Job(name=name, finished=finished, failures=failures))
    return found


def _table(
    cursor: Any, server: Server, name: str, series: Series, jobs: list[Job], removed: int, removed_at: datetime | None
) -> Table:
    hypertable = compression(cursor, server, name) is not None
    if hypertable:
        cursor.execute(_HYPERTABLE_SIZE.format(server.call("hypertable_size"), name))
    else:
        cursor.execute(_SIZE, [name])
    (size,) = cursor.fetchone()
    chunks, compressed, begins, ends = 0, 0, None, None
    if hypertable:
        cursor.execute(_CHUNKS, [name])
        chunks, compressed, begins, ends = cursor.fetchone()
    days, by_value = keep_days(series), keep_days_by_value(series)
    policy = hypertable and server.edition is Edition.COMMUNITY and not by_value
    return Table(
        name=name,
        hypertable=hypertable,
        bytes=size or 0,
        chunks=chunks,
        compressed=compressed,
        begins=begins,
        ends=ends,
        keep_days=by_value or days,
        retention_by=("policy" if policy else "beat") if days or by_value else None,
        removed=removed,
        removed_at=removed_at,
        jobs=jobs,
    )


def _aggregate(cursor: Any, name: str, jobs: list[Job]) -> Aggregate:
    cursor.execute(_VIEW, [f'"{name}"', len(f"{OURS}: ") + 1])
    (kind,) = cursor.fetchone()
    return Aggregate(name=name, kind=kind or None, jobs=jobs)
