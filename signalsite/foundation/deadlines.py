"""Reads that a request waits for: each statement has a limit."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from signalsite.foundation.errors import StorageTooSlow

STATEMENT_SECONDS = 3


class ReadTooSlow(StorageTooSlow):
    """The answer is made of more data than can be read in time."""


@contextmanager
def within_time(why: str) -> Iterator[None]:
    """Run the statements of an answer in a transaction.

    Raises ReadTooSlow, which says why, for one that takes STATEMENT_SECONDS.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}")
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise ReadTooSlow(why) from error
        raise
