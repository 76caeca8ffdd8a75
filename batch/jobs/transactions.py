"""Transactions of workers, with a timeout."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

SILENCE_SECONDS = 10


@contextmanager
def worker_transaction() -> Iterator[None]:
    """Run a transaction that PostgreSQL aborts when its client is silent for SILENCE_SECONDS.

    Otherwise a suspended process keeps its row locks, and nobody can take over its work. The timeout does not apply
    within a COPY, so send data as parameters of a statement.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{SILENCE_SECONDS}s'")
        yield
