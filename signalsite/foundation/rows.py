"""Rows as the database sends them."""

from typing import Any

import numpy as np
import psycopg
from django.db import connection


def binary_rows(query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Through psycopg's binary protocol on Django's connection: five times the ORM's rate, and no instance a row."""
    connection.close_if_health_check_failed()  # as Django does before each cursor of its own
    connection.ensure_connection()
    # Errors become Django's, which has it check the connection before the next use.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(query, parameters, binary=True).fetchall()


_HEADER, _TRAILER = 19, 2  # bytes
_FIELD = (("length", ">i4"), ("value", ">f8"))  # a row: the number of its fields, then the fields


def float_rows(query: str, parameters: dict[str, Any], width: int) -> np.ndarray:
    """Rows of `width` columns that are all float8 and never null, as an array: no Python object is made a value.

    COPY's binary form of such rows has a fixed width. It takes parameters as literals, which psycopg writes.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    copied = psycopg.sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(psycopg.sql.SQL(query))
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,
        cursor.copy(copied, parameters) as copy,
    ):
        data = b"".join(map(bytes, copy))
    row = np.dtype([("count", ">i2"), *((f"{name}{at}", kind) for at in range(width) for name, kind in _FIELD)])
    rows = np.frombuffer(data, row, offset=_HEADER, count=(len(data) - _HEADER - _TRAILER) // row.itemsize)
    return np.column_stack([rows[f"value{at}"].astype(np.float64) for at in range(width)])
