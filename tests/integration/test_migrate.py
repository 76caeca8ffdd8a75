"""`manage.py migrate`, killed between a migration's tables and its record, and run twice at once."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from signalsite.management.commands.migrate import LOCK
from tests.integration.databases import fresh_database
from tests.integration.processes import ROOT, until

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


@pytest.fixture
def variables() -> Iterator[dict[str, str]]:
    with fresh_database("signalsite_migrate") as variables:
        yield {**variables, "DJANGO_SETTINGS_MODULE": "signalsite.settings"}


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
    with psycopg.connect(variables["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM batch_job").fetchone() == (0,)


def test_two_at_once_wait_for_one_another(variables: dict[str, str]) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(variables["DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        other.commit()
        runs = [migrate(variables), migrate(variables)]
        until(lambda: other.execute(waiting).fetchone() == (2,), 30, "both wait")
    for run in runs:
        succeeded(run)
