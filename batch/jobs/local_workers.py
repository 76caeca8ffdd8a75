"""Processes of a command that compute a job's chunks, alongside any Celery workers.

They claim chunks as workers do, so nothing is computed twice, and the job survives the command. They need no broker.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from threading import Event

from django.db import DatabaseError, connection, connections
from django.db.models import Q
from django.db.models.functions import Now

from batch.jobs import chunks, preparation
from batch.jobs.models import Chunk, Job
from signalsite.foundation.process import end_with_parent

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.02  # while others have claimed all chunks
RETRY_SECONDS = 1.0
STOP_SECONDS = 10.0
_fork = multiprocessing.get_context("fork")  # a fork has the parent's imports


class WorkerEnded(RuntimeError):
    """All local workers ended before their job did."""


class LocalWorkers:
    """Processes that compute one job. Start them early and before any thread: a fork is made.

    The fork loads the kernels while this process goes on. When it gets the job, it forks the workers, so that they are
    loaded once.
    """

    def __init__(self, count: int) -> None:
        connections.close_all()  # a fork must not share connections
        self._job, theirs = _fork.Pipe()
        self._forker = _fork.Process(target=_fork_workers, args=(theirs, count, os.getpid()))
        self._forker.start()
        theirs.close()

    def compute(self, job_id: uuid.UUID) -> list[int]:
        """Prepare a job, start computing it, and return its chunks, for the caller to enqueue."""
        chunk_ids = preparation.prepare(job_id)
        with suppress(BrokenPipeError):  # `check` reports it
            self._job.send(job_id)
        return chunk_ids

    def check(self) -> None:
        """Raise WorkerEnded if the workers ended, but not because the job had."""
        if self._forker.exitcode:
            code = self._forker.exitcode
            raise WorkerEnded(f"the local workers ended before the job did, with exit code {code}; the log says more")

    def stop(self) -> None:
        """Let each worker finish its chunk. Kill those that take too long: the leases of their chunks expire."""
        self._forker.terminate()
        self._forker.join(STOP_SECONDS)
        self._forker.kill()
        self._forker.join()


@contextmanager
def local_workers(count: int) -> Iterator[LocalWorkers]:
    workers = LocalWorkers(count)
    try:
        yield workers
    finally:
        workers.stop()


def _fork_workers(job: Connection, count: int, parent: int) -> None:
    """Load what the workers need, wait for the job, and fork them. Exit with 0 if one of them saw the job end."""
    end_with_parent(signal.SIGTERM, parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C: it cancels the job
    _load()
    job_id = job.recv()
    workers = [_fork.Process(target=_work, args=(job_id, each, count, os.getpid())) for each in range(count)]
    for worker in workers:
        worker.start()

    def end(*_: object) -> None:
        for worker in workers:
            worker.terminate()

    signal.signal(signal.SIGTERM, end)
    for worker in workers:
        worker.join()
        if worker.exitcode:
            logger.error("local worker %s of job %s ended with exit code %s", worker.pid, job_id, worker.exitcode)
    sys.exit(all(worker.exitcode for worker in workers))


def _load() -> None:
    """Load the kernels of Greeks. A computation that needs more loads it with its first chunk."""
    import pandas  # noqa: F401 - pyarrow imports it for the first list that it converts

    from signals.greeks.core import engine  # noqa: F401 - importing it loads its kernels


def _work(job_id: uuid.UUID, number: int, count: int, parent: int) -> None:
    """Compute chunks. Exit with 0 if the job has ended."""
    end_with_parent(signal.SIGTERM, parent)
    ending = Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    _compute(job_id, number, count, ending)
    sys.exit(ending.is_set())


def _compute(job_id: uuid.UUID, number: int, count: int, ending: Event) -> None:
    """Compute chunks until the job ends."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    while not ending.is_set():
        try:
            open_chunks = _open_chunks(job_id)
            if open_chunks is None:
                return
            begin = len(open_chunks) * number // count  # each process starts at another chunk
            for chunk_id in (*open_chunks[begin:], *open_chunks[:begin]):
                if ending.is_set():
                    return
                chunks.compute_chunk(chunk_id, worker=name)
            if not open_chunks:
                time.sleep(PAUSE_SECONDS)
        except DatabaseError as error:
            logger.warning("job %s: %s; trying again in %g s", job_id, error, RETRY_SECONDS)
            connection.close()
            time.sleep(RETRY_SECONDS)
        except Exception:  # of any kind: failed attempts are counted, and end the chunk after a few
            logger.exception("job %s: a chunk failed; trying again in %g s", job_id, RETRY_SECONDS)
            time.sleep(RETRY_SECONDS)


def _open_chunks(job_id: uuid.UUID) -> list[int] | None:
    """Return the chunks that can be claimed now, in order; None if the job has ended."""
    if Job.objects.filter(pk=job_id, status__in=Job.TERMINAL).exists():
        return None
    claimable = Q(status=Chunk.Status.PENDING) | Q(status=Chunk.Status.RUNNING, lease_until__lt=Now())
    return list(Chunk.objects.filter(claimable, job=job_id).order_by("number").values_list("id", flat=True))
