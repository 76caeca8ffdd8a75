"""What is to be done to a table so that it has all that its server can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from psycopg import sql

from signalsite.foundation.errors import ConfigurationError
from timeframes.core.series import Series
from timeframes.storage.aggregates import AGGREGATES, OURS, SOURCE, creation, kind_on, mark, removal
from timeframes.storage.server import Edition, Server

UNLIMITED = "timescaledb.max_tuples_decompressed_per_dml_transaction"
_VIEWS = """
SELECT c.relname, coalesce(obj_description(c.oid), '') FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(%s)
"""
_CONTINUOUS = """
SELECT view_name FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema() AND view_name = ANY(%s)
"""
_HYPERTABLE = """
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = current_schema() AND hypertable_name = %s
"""
_POLICY = """
SELECT (config->>%s)::interval = make_interval(days => %s) FROM timescaledb_information.jobs
WHERE proc_name = %s AND hypertable_schema = current_schema() AND hypertable_name = %s
"""
_UNLIMITED = """
SELECT EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database() AND s.setrole = current_user::regrole AND %s = ANY(s.setconfig)
)
"""


class NameTaken(ConfigurationError):
    """Something that is not ours has the name of an aggregate."""


@dataclass(frozen=True, slots=True)
class Step:
    """`what`: the step as a sentence without its end, for people."""

    what: str
    statements: tuple[sql.Composable, ...]


def series_models() -> dict[str, Series]:
    """Return the tables of models that have a `series`, by name."""
    found = ((model._meta.db_table, getattr(model, "series", None)) for model in apps.get_models())
    return {table: series for table, series in found if isinstance(series, Series)}


def keep_days(series: Series) -> int:
    """Return for how many days all rows of the table are kept. 0: for ever, or the column `keep_by` decides."""
    return 0 if series.keep is None or series.keep_by else int(getattr(settings, series.keep))


def keep_days_by_value(series: Series) -> dict[str, int]:
    """Return for how many days rows are kept, by the values of the column `keep_by`."""
    return dict(getattr(settings, series.keep)) if series.keep and series.keep_by else {}


def plan(cursor: Any, server: Server, table: str, series: Series) -> Iterator[Step]:
    """Yield what a table lacks. Each step is as of the moment it is asked for: carry it out before you ask on.

    A table that no migration has made yet lacks nothing. Raises NameTaken.
    """
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
    if not cursor.fetchone()[0]:
        return
    if server.hypertables:
        yield from _hypertable(cursor, server, table, series)
    if table == SOURCE:
        yield from _aggregates(cursor, server)
    if server.edition is Edition.COMMUNITY:
        yield from _compression(cursor, server, table, series)
        yield from policies(cursor, server, table, series)


def policies(cursor: Any, server: Server, table: str, series: Series) -> Iterator[Step]:
    """Yield what the policies of a hypertable of the community edition lack. It takes no lock that others wait for."""
    compressed = compression(cursor, server, table)
    if compressed is not None:
        days = settings.COMPRESS_AFTER_DAYS if series.segment_by and compressed else 0
        yield from _policy(cursor, server, table, "compression", "compress_after", days)
        yield from _policy(cursor, server, table, "retention", "drop_after", keep_days(series))


def compression(cursor: Any, server: Server, table: str) -> bool | None:
    """Return whether a hypertable's chunks may be compressed; None for a plain table."""
    if not server.hypertables:
        return None
    cursor.execute(_HYPERTABLE, [table])
    found = cursor.fetchone()
    return None if found is None else bool(found[0])


def _hypertable(cursor: Any, server: Server, table: str, series: Series) -> Iterator[Step]:
    if compression(cursor, server, table) is None:
        create = sql.SQL(
            "SELECT {create}({table}, 'time', chunk_time_interval => make_interval(days => {days}),"
            " create_default_indexes => false, migrate_data => true)"
        ).format(create=server.call("create_hypertable"), table=table, days=series.chunk_days)
        yield Step(f"{table}: make it a hypertable with chunks of {series.chunk_days} days", (create,))


def _aggregates(cursor: Any, server: Server) -> Iterator[Step]:
    cursor.execute(_VIEWS, [list(AGGREGATES)])
    comments = dict(cursor.fetchall())
    continuous: set[str] = set()
    if server.timescaledb:
        cursor.execute(_CONTINUOUS, [list(AGGREGATES)])
        continuous = {name for (name,) in cursor.fetchall()}
    for name in AGGREGATES:
        found = comments.get(name)
        if found == mark(name, server):
            continue
        statements = creation(name, server)
        if found is not None:
            if not found.startswith(f"{OURS}: "):
                raise NameTaken(f"{name} is there already and is not ours: rename or drop it, then run this again")
            statements = removal(name, server, continuous=name in continuous) + statements
        yield Step(f"{name}: make it as a {kind_on(server)}", tuple(statements))


def _compression(cursor: Any, server: Server, table: str, series: Series) -> Iterator[Step]:
    if not settings.COMPRESS_AFTER_DAYS or not series.segment_by:
        return
    if not compression(cursor, server, table):
        alter = sql.SQL(
            "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {},"
            " timescaledb.compress_orderby = 'time')"
        ).format(sql.Identifier(table), ", ".join(series.segment_by or ()))
        yield Step(f"{table}: allow compression, by {', '.join(series.segment_by or ())}", (alter,))
    yield from _no_limit(cursor)


def _policy(cursor: Any, server: Server, table: str, kind: str, age: str, days: int) -> Iterator[Step]:
    """Yield the step after which the server has the policy that the settings say: one of `days`, or none for 0."""
    cursor.execute(_POLICY, [age, days, f"policy_{kind}", table])
    found = cursor.fetchall()
    if (days and found == [(True,)]) or not (days or found):
        return
    statements = []
    if found:
        statements.append(
            sql.SQL("SELECT {}({}, if_exists => true)").format(server.call(f"remove_{kind}_policy"), table)
        )
    if days:
        statements.append(
            sql.SQL("SELECT {}({}, make_interval(days => {}))").format(server.call(f"add_{kind}_policy"), table, days)
        )
    what = f"{kind} policy after {days} days" if days else f"no {kind} policy"
    yield Step(f"{table}: {what}", tuple(statements))


def _no_limit(cursor: Any) -> Iterator[Step]:
    """By default, one transaction may change 100,000 compressed rows. An import may well change more."""
    cursor.execute(_UNLIMITED, [f"{UNLIMITED}=0"])
    if not cursor.fetchone()[0]:
        cursor.execute("SELECT current_database()")
        alter = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = 0").format(
            sql.Identifier(cursor.fetchone()[0]), sql.SQL(UNLIMITED)
        )
        yield Step("new sessions may change any number of compressed rows in one transaction", (alter,))
