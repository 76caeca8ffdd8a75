"""Create separate databases on the tests' server."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql

from tests.integration.processes import environment


@contextmanager
def fresh_database(name: str) -> Iterator[dict[str, str]]:
    """Create an empty database of this name, and yield the environment of commands that use it."""
    used = settings.DATABASES["default"]
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(
        host=used["HOST"],
        port=used["PORT"],
        user=used["USER"],
        password=used["PASSWORD"],
        dbname=used["NAME"],
        autocommit=True,
    ) as admin:
        admin.execute(drop)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        host = quote(used["HOST"], safe="")  # it may be the folder of a socket
        url = f"postgresql://{used['USER']}:{quote(used['PASSWORD'], safe='')}@{host}:{used['PORT']}/{name}"
        try:
            yield environment(settings.STATE_DIR, DATABASE_URL=url, REDIS_URL=settings.REDIS_URL)
        finally:
            admin.execute(drop)
