"""Transactions of workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

SILENCE_SECONDS = 10


@contextmanager
def worker_transaction() -> Iterator[None]:
    """A transaction that PostgreSQL ends when its client says nothing for SILENCE_SECONDS.

    A process that is stopped in it would keep its row locks, and nobody could take its work over. A COPY has no such
    limit: send what there is as parameters of one statement.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{SILENCE_SECONDS}s'")
        yield
