"""Processes of a command that compute a job's chunks, alongside any Celery workers.

They claim chunks as workers do, so nothing is computed twice, and the job survives the command. They need no broker.
"""

import logging
import multiprocessing
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
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

Compute = Callable[[uuid.UUID], None]


class WorkerEnded(RuntimeError):
    """A local worker ended before its job did."""


class LocalWorkers:
    """A pool of processes. Start it early: they load the kernels meanwhile. Start it before any thread: it forks."""

    def __init__(self, count: int) -> None:
        connections.close_all()  # a fork must not share connections
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(count):
            ours, theirs = _fork.Pipe()
            process = _fork.Process(target=_work, args=(theirs, number, count, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def compute(self, job_id: uuid.UUID) -> None:
        """Prepare a job, unless a Celery worker was first, and start computing it."""
        preparation.prepare(job_id)
        for pipe in self._pipes:
            with suppress(BrokenPipeError):  # a dead process: the others do its part, and `check` reports the last
                pipe.send(job_id)

    def check(self) -> None:
        """Raise WorkerEnded if no process is left."""
        if not any(process.is_alive() for process in self._processes):
            codes = ", ".join(str(process.exitcode) for process in self._processes)
            raise WorkerEnded(f"the local workers ended with exit codes {codes} before the job did")

    def stop(self) -> None:
        """Let each process finish its chunk. Kill those that take too long: the leases of their chunks expire."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes:
            process.join(max(deadline - time.monotonic(), 0.0))
            process.kill()
            process.join()


@contextmanager
def local_workers(count: int) -> Iterator[LocalWorkers]:
    workers = LocalWorkers(count)
    try:
        yield workers
    finally:
        workers.stop()


def _work(jobs: Connection, number: int, count: int, parent: int) -> None:
    end_with_parent(signal.SIGTERM, parent)
    ending = Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C: it cancels the job
    from moneyness.core.warm import warm

    warm()
    name = f"{socket.gethostname()}:{os.getpid()}"
    while not ending.is_set():
        if jobs.poll(PAUSE_SECONDS):
            _compute(jobs.recv(), number, count, name, ending)


def _compute(job_id: uuid.UUID, number: int, count: int, name: str, ending: Event) -> None:
    """Compute chunks until the job ends."""
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
