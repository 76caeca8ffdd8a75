"""Django's `migrate`, which can be killed at any moment and run twice at once."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.utils import OperationalError
from psycopg.errors import LockNotAvailable

LOCK = 0x5167_6E61_6C73  # the same for all checkouts: advisory locks belong to a database
LOCK_SECONDS = 120


class WholeMigrations(MigrationExecutor):
    """Applies a migration and records it in one transaction.

    When it defers SQL (foreign keys, indexes), Django records the migration in a second transaction. After a kill in
    between, every later run would fail, because the tables exist.
    """

    def apply_migration(self, state: Any, migration: Migration, *args: Any, **kwargs: Any) -> Any:
        with self._whole(migration):
            return super().apply_migration(state, migration, *args, **kwargs)

    def unapply_migration(self, state: Any, migration: Migration, *args: Any, **kwargs: Any) -> Any:
        with self._whole(migration):
            return super().unapply_migration(state, migration, *args, **kwargs)

    def _whole(self, migration: Migration) -> AbstractContextManager[Any]:
        return transaction.atomic(using=self.connection.alias) if migration.atomic else nullcontext()


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        migrate.MigrationExecutor = WholeMigrations  # type: ignore[attr-defined]  # Django has no setting for it
        with one_at_a_time(connections[options["database"]]):
            super().handle(*args, **options)


@contextmanager
def one_at_a_time(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Wait for another migration. The session of a killed command also holds the lock while it works."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise CommandError(f"Another migration has been running for {LOCK_SECONDS} s.") from error
            raise
        finally:
            cursor.execute("RESET lock_timeout")
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
