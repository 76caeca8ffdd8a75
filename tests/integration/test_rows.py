"""Columns as PostgreSQL sends them."""

from datetime import date

import numpy as np
import pytest
from django.db import DataError, ProgrammingError

from signalsite.foundation.rows import binary_columns, binary_rows

TYPES = {"price": float, "place": int, "key": str, "day": date}
QUERY = """
SELECT * FROM (VALUES (1.5::float8, 1, 'one', DATE '2026-11-27'), (NULL, -2, NULL, NULL), ('-infinity', 3, '', NULL))
AS given WHERE column2 < %(limit)s
"""


@pytest.mark.django_db
def test_columns_are_arrays_of_numbers_and_lists_of_the_rest() -> None:
    found = binary_columns(QUERY, {"limit": 10}, TYPES)
    assert found["price"].dtype == np.float64 and found["place"].dtype == np.int64
    np.testing.assert_array_equal(found["price"], [1.5, np.nan, -np.inf])
    np.testing.assert_array_equal(found["place"], [1, -2, 3])
    assert found["key"] == ["one", None, ""] and found["day"] == [date(2026, 11, 27), None, None]
    found["price"][0] = 2.0  # ours to write to


@pytest.mark.django_db
def test_no_rows_are_columns_without_elements() -> None:
    found = binary_columns(QUERY, {"limit": -10}, TYPES)
    assert [len(column) for column in found.values()] == [0, 0, 0, 0]
    assert found["price"].dtype == np.float64 and found["place"].dtype == np.int64 and found["key"] == []


@pytest.mark.django_db
def test_columns_say_what_rows_say() -> None:
    query = "SELECT i::float8 / 3, i, 'k' || i FROM generate_series(1, 5000) AS i ORDER BY i DESC"
    rows = binary_rows(query, {})
    found = binary_columns(query, {}, {"third": float, "number": int, "key": str})
    assert list(zip(found["third"].tolist(), found["number"].tolist(), found["key"], strict=True)) == rows


@pytest.mark.django_db
def test_an_integer_that_is_null_is_an_error_and_no_number() -> None:
    with pytest.raises(ValueError, match="null"):
        binary_columns("SELECT NULL::int", {}, {"place": int})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("query", ["SELECT nothing", "SELECT 1 / 0"])
def test_errors_are_djangos(query: str) -> None:
    with pytest.raises((ProgrammingError, DataError)):
        binary_columns(query, {}, {"place": int})
