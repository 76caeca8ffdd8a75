"""`manage.py migrate` on databases of its own, killed between a migration's tables and its record, and run twice."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from signalsite.management.commands.migrate import LOCK
from tests.integration.processes import ROOT, environment, until

DATABASE = "signalsite_migrate"
# The moment is chosen by what runs then; the death is real.
KILLED = """
import os, signal, sys
import django
from django.core.management import call_command
from django.db.migrations.recorder import MigrationRecorder
django.setup()
record = MigrationRecorder.record_applied
def die(self, app, name):
    if (app, name) == ("batch", "0001_initial"):
        os.kill(os.getpid(), signal.SIGKILL)
    record(self, app, name)
MigrationRecorder.record_applied = die
call_command("migrate", verbosity=0)
"""


def server(name: str) -> dict[str, str]:
    database = settings.DATABASES["default"]
    return {
        "host": database["HOST"],
        "port": str(database["PORT"]),
        "user": database["USER"],
        "password": database["PASSWORD"],
        "dbname": name,
    }


@pytest.fixture
def variables() -> Iterator[dict[str, str]]:
    database = settings.DATABASES["default"]
    again = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE))
    with psycopg.connect(**server(database["NAME"]), autocommit=True) as admin:
        admin.execute(again)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        host = quote(database["HOST"], safe="")  # or the folder of a socket
        url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{host}:{database['PORT']}/{DATABASE}"
        yield environment(
            settings.STATE_DIR,
            DATABASE_URL=url,
            REDIS_URL=settings.REDIS_URL,
            DJANGO_SETTINGS_MODULE="signalsite.settings",
        )
        admin.execute(again)


def migrate(variables: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    return subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)


def succeeded(run: "subprocess.Popen[str]") -> None:
    said = run.communicate(timeout=120)[1]
    assert run.returncode == 0, said


def test_killed_before_the_record_it_can_be_run_again(variables: dict[str, str]) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, env=variables, check=False)
    assert killed.returncode == -signal.SIGKILL
    succeeded(migrate(variables))
    with psycopg.connect(**server(DATABASE)) as connection:
        assert connection.execute("SELECT count(*) FROM batch_job").fetchone() == (0,)


def test_two_at_once_wait_for_one_another(variables: dict[str, str]) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(**server(DATABASE)) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        other.commit()
        runs = [migrate(variables), migrate(variables)]
        until(lambda: other.execute(waiting).fetchone() == (2,), 30, "both wait")
    for run in runs:
        succeeded(run)
