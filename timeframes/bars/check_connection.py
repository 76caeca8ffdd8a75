"""The connection on which a process checks its kept pages: one prepared statement, without what Django adds."""

from typing import Any

import psycopg
from django.db import connection

from signalsite.foundation.errors import StorageTooSlow
from signalsite.foundation.postgres import TimedConnection


class ChecksFailed(StorageTooSlow):
    """The database does not say whether pages are up to date."""


class CheckConnection:
    """For one thread. Connects at the first use, and again after a failure."""

    def __init__(self) -> None:
        self._connection: TimedConnection | None = None

    def rows(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Raises ChecksFailed."""
        kept = self._connection
        if kept is not None and not kept.closed:
            try:
                return self._run(kept, query, parameters)
            except psycopg.Error:  # it may have broken since its last use
                kept.close()
        try:
            self._connection = fresh = TimedConnection.connect(**connection.get_connection_params(), autocommit=True)
            return self._run(fresh, query, parameters)
        except psycopg.Error as error:
            raise ChecksFailed(f"the database did not answer: {error}") from error

    def _run(self, used: TimedConnection, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        with psycopg.Cursor(used) as cursor:
            return cursor.execute(query, parameters, prepare=True, binary=True).fetchall()
