"""The processes in which a command computes its job: they may die, and they end with the command."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch.jobs.command_jobs import follow, submit
from batch.jobs.local_workers import LocalWorkers, WorkerEnded, local_workers
from batch.models import Job
from signals.instruments.services import register_instruments
from tests.integration.processes import ROOT, until
from timeframes.core.keys import parse_key
from timeframes.models import Quote

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
KEY = "NSE@NIFTY@equity_options@2026-12-29@call@26000"

DIES_AS_IT_FORKS = """
import os, signal, sys, time
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
django.setup()
from batch.jobs.local_workers import LocalWorkers
workers = LocalWorkers(2)
print(workers._forker.pid, flush=True)
time.sleep(60)
"""


def test_workers_that_were_killed_are_reported() -> None:
    with local_workers(2) as workers:
        workers.check()
        assert workers._forker.pid
        os.kill(workers._forker.pid, signal.SIGKILL)
        workers._forker.join(5)
        with pytest.raises(WorkerEnded, match="before the job did"):
            workers.check()


def test_workers_stop_at_once_while_they_load() -> None:
    workers = LocalWorkers(2)
    begun = time.monotonic()
    workers.stop()
    assert time.monotonic() - begun < 5
    assert not workers._forker.is_alive()


@pytest.mark.django_db(transaction=True)
def test_they_compute_a_job_and_end_with_it() -> None:
    register_instruments({KEY: parse_key(KEY)})
    Quote.objects.create(instrument_key=KEY, time=NOW, last=600.0, source="test")
    with local_workers(2) as workers:
        job = submit({"kind": "quotes", "items": [KEY], "as_of": (NOW + timedelta(seconds=1)).isoformat()})
        assert len(workers.compute(job.pk)) == 1
        *_, last = follow(job.pk)
        workers._forker.join(10)
        workers.check()  # they ended because the job did
    assert (last.status, last.completed, workers._forker.exitcode) == (Job.Status.COMPLETED, 1, 0)


def test_workers_end_with_a_command_that_is_killed() -> None:
    command = subprocess.Popen([sys.executable, "-c", DIES_AS_IT_FORKS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    forker = int(command.stdout.readline())
    command.kill()
    command.wait()
    until(lambda: not Path(f"/proc/{forker}").exists(), 10, "the workers have ended")
    command.stdout.close()
