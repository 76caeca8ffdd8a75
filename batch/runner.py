"""Running a job from a command: submit it, see that a worker is there, follow it to its end."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from signalsite.foundation.process import ends_with_parent

from batch import services
from batch.models import Job
from batch.tasks import compute_chunk, ring_job

COMMAND_LINE_USER = "command-line"
POLL_SECONDS = 0.05
STOP_SECONDS = 20


def submit(submission: dict[str, Any]) -> Job:
    """Keep a job of the command line's own user and ring for it. `submission`: a submission serializer's data."""
    owner, made = get_user_model().objects.get_or_create(username=COMMAND_LINE_USER)
    if made:
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
    job = services.submit(
        owner=owner, **{name: submission[name] for name in ("kind", "params", "as_of", "items", "selector")}
    )
    ring_job(job.pk)
    return job


def follow(job: Job) -> Iterator[Job]:
    """The job again and again, until it has ended."""
    while True:
        current = Job.objects.defer("context").get(pk=job.pk)
        yield current
        if current.status in Job.TERMINAL:
            return
        time.sleep(POLL_SECONDS)


@contextmanager
def worker(notify: Callable[[str], object]) -> Iterator[None]:
    """A worker for the length of the body: one that runs already, or our own."""
    if compute_chunk.app.control.ping(timeout=0.5, limit=1):
        yield
        return
    notify("no worker is running: starting one for this job")
    command = [sys.executable, "-m", "celery", "-A", "signalsite", "worker", "--loglevel", "WARNING"]
    command += ["--concurrency", str(settings.WORKERS), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, preexec_fn=ends_with_parent(signal.SIGTERM)
    ) as child:
        try:
            yield
        finally:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
