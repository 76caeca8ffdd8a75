"""A pytest plugin (`-p tests.tables`) that empties tables after a transactional test in a twentieth of Django's time.

Django truncates all tables, though few have rows, then creates all content types and permissions again.
"""

from typing import Any

from django.db import connections, transaction
from django.test import TransactionTestCase

# Django writes these after migrating, and no test adds to them.
KEPT = {"django_content_type", "auth_permission"}
SMALL_BYTES = 1_000_000
_FILLED = "SELECT {place}, pg_relation_size('{table}'), EXISTS (SELECT FROM \"{table}\")"
_REFERENCED = "SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"


def _empty(database: str) -> None:
    """Delete all rows. Large tables that no foreign key names are truncated, which takes no longer for many rows.

    Emptied bars and ticks note a change in `bar_changes`, which comes before them: readers of kept pages see it.
    """
    connection = connections[database]
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = sorted(set(names) - KEPT)
    with transaction.atomic(using=database), connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(_FILLED.format(place=place, table=table) for place, table in enumerate(tables))
        )
        sizes = {tables[place]: size for place, size, filled in cursor.fetchall() if filled or size > SMALL_BYTES}
        if not sizes:
            return
        cursor.execute(_REFERENCED)
        referenced = {name.strip('"') for (name,) in cursor.fetchall()}
        for table, size in sizes.items():
            truncates = size > SMALL_BYTES and table not in referenced
            cursor.execute(f'TRUNCATE "{table}"' if truncates else f'DELETE FROM "{table}"')


def _fixture_teardown(case: Any) -> None:
    for database in case._databases_names(include_mirrors=False):
        _empty(database)


def pytest_configure() -> None:
    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[method-assign]
