"""What an outage of PostgreSQL raises, and connections of the web process, which give up on a silent server."""

from typing import Any, TypeVar

import psycopg
from django.db import InterfaceError, OperationalError
from psycopg.abc import PQGen

UNAVAILABLE = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""The server is away or overloaded. COPY raises the driver's errors, everything else Django's."""
STATEMENT_SECONDS = 4.0
"""Every request must be answered within 5 s, even when the server hangs."""
RV = TypeVar("RV")


class TimedConnection(psycopg.Connection[Any]):
    """Raises OperationalError and closes itself when an exchange with the server takes longer than STATEMENT_SECONDS.

    A stopped server does not apply its statement_timeout, and its kernel still acknowledges, so TCP does not time out.
    """

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, STATEMENT_SECONDS if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {STATEMENT_SECONDS:g} s") from error
