"""Create separate databases on the tests' server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql

from tests.integration.processes import environment


def drop_database(execute: Callable[..., Any], name: str) -> None:
    """Drop this database, if it is there, and end our sessions in it.

    WITH (FORCE) ends every session, and may not end those of the server's own autovacuum, for which DROP waits.
    """
    own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
    execute(own, [name])
    execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def fresh_database(name: str) -> Iterator[dict[str, str]]:
    """Create an empty database of this name, and yield the environment of commands that use it."""
    used = settings.DATABASES["default"]
    with psycopg.connect(
        host=used["HOST"],
        port=used["PORT"],
        user=used["USER"],
        password=used["PASSWORD"],
        dbname=used["NAME"],
        autocommit=True,
    ) as admin:
        drop_database(admin.execute, name)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        host = quote(used["HOST"], safe="")  # it may be the folder of a socket
        url = f"postgresql://{used['USER']}:{quote(used['PASSWORD'], safe='')}@{host}:{used['PORT']}/{name}"
        try:
            yield environment(settings.STATE_DIR, DATABASE_URL=url, REDIS_URL=settings.REDIS_URL)
        finally:
            drop_database(admin.execute, name)
