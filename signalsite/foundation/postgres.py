"""Connections of the web process to PostgreSQL, which give up on a server that says nothing."""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

STATEMENT_SECONDS = 4.0
"""A request must be answered within 5 s, whatever hangs."""
RV = TypeVar("RV")


class TimedConnection(psycopg.Connection[Any]):
    """Closes itself, with OperationalError, when an exchange with the server takes longer than STATEMENT_SECONDS.

    The server's own statement_timeout is of no help against one that is stopped, and TCP's timeouts neither: its kernel
    goes on acknowledging.
    """

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, STATEMENT_SECONDS if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {STATEMENT_SECONDS:g} s") from error
