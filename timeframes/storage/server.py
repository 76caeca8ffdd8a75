"""What the database server can do."""

from dataclasses import dataclass
from enum import StrEnum

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

OLDEST = (2, 20)
"""Older versions of TimescaleDB are treated as PostgreSQL. 2.20 has all that the SQL of this room needs."""
_DETECT = """
SELECT current_setting('server_version'), e.extversion, e.extnamespace::regnamespace::text,
       current_setting('timescaledb.license', true),
       (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb')
FROM (VALUES (1)) one(row) LEFT JOIN pg_extension e ON e.extname = 'timescaledb'
"""


class Edition(StrEnum):
    COMMUNITY = "TimescaleDB, community licence"  # hypertables, continuous aggregates, compression, retention
    APACHE = "TimescaleDB, Apache licence"  # hypertables
    POSTGRESQL = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Server:
    """`timescaledb`: the version of the extension in this database. `available`: the one that it could have."""

    postgresql: str
    timescaledb: str | None
    schema: str | None
    licence: str | None
    available: str | None

    @property
    def edition(self) -> Edition:
        if self.timescaledb is None or version(self.timescaledb) < OLDEST:
            return Edition.POSTGRESQL
        return Edition.COMMUNITY if self.licence == "timescale" else Edition.APACHE

    @property
    def hypertables(self) -> bool:
        return self.edition is not Edition.POSTGRESQL

    def call(self, function: str) -> sql.Identifier:
        """Return the name of a function of TimescaleDB, which may live in any schema."""
        assert self.schema is not None
        return sql.Identifier(self.schema, function)


def detect(connection: BaseDatabaseWrapper) -> Server:
    with connection.cursor() as cursor:
        cursor.execute(_DETECT)
        return Server(*cursor.fetchone())


def version(text: str) -> tuple[int, ...]:
    """
    >>> version("2.29.2"), version("2.30.0-dev")
    ((2, 29, 2), (2, 30, 0))
    """
    return tuple(int(part) for part in text.partition("-")[0].split("."))
