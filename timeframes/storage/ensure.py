"""Give the tables all that their server can do."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import LockNotAvailable

from signalsite.foundation.errors import DataAccessError
from timeframes.core.series import Series
from timeframes.storage.plan import Step, plan, policies, series_models
from timeframes.storage.server import Edition, Server, detect

logger = logging.getLogger(__name__)
LOCK = 0x7469_6D65_7363_616C  # one at a time in a database; the others wait
LOCK_SECONDS = 60


class StorageBusy(DataAccessError):
    """A table is in use for too long. What was done before stays."""


Planner = Callable[[Any, Server, str, Series], Iterator[Step]]


def ensure(connection: BaseDatabaseWrapper, *, said: Callable[[str], None] = lambda what: None) -> int:
    """Carry out all steps that the tables lack, and return how many there were. `said` hears each step when it begins.

    Safe to repeat, to kill and to run many times at once: a table's steps are one transaction, under a lock. Raises
    StorageBusy and NameTaken.
    """
    return _carry_out(connection, detect(connection), plan, said)


def ensure_policies(connection: BaseDatabaseWrapper) -> int:
    """Make the policies of hypertables what the settings say, and return how many steps that took."""
    server = detect(connection)
    return _carry_out(connection, server, policies, logger.info) if server.edition is Edition.COMMUNITY else 0


def _carry_out(connection: BaseDatabaseWrapper, server: Server, planner: Planner, said: Callable[[str], None]) -> int:
    done = 0
    for table, series in series_models().items():
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
                for step in planner(cursor, server, table, series):
                    said(step.what)
                    for statement in step.statements:
                        cursor.execute(statement)
                    done += 1
        except DatabaseError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise StorageBusy(
                    f"{table} was in use for {LOCK_SECONDS} s and is unchanged. Stop what uses it, then run this again."
                ) from error
            raise
    return done


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what `ensure` would do."""
    server = detect(connection)
    with connection.cursor() as cursor:
        return [step.what for table, series in series_models().items() for step in plan(cursor, server, table, series)]


def in_migration(apps: Any, schema_editor: Any) -> None:
    """An operation of migrations (RunPython). `manage.py timescale ensure` runs it again."""
    ensure(schema_editor.connection)
