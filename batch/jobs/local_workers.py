"""Processes of a command that compute a job's chunks, beside whatever Celery workers run.

They claim chunks as a worker does, so nothing is computed twice, and a job outlives the command. No broker is asked.
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

PAUSE_SECONDS = 0.02  # while all chunks are in other hands
RETRY_SECONDS = 1.0
STOP_SECONDS = 10.0
_fork = multiprocessing.get_context("fork")  # what the parent has imported need not be imported again

Compute = Callable[[uuid.UUID], None]


class WorkerEnded(RuntimeError):
    """A local worker ended before its job did."""


class LocalWorkers:
    """`start` before there is a job: the processes load the kernels meanwhile. Call it before any thread is started."""

    def __init__(self, count: int) -> None:
        connections.close_all()  # a connection must not be shared
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
        """Begin with a job: it is prepared here, unless a Celery worker was first."""
        preparation.prepare(job_id)
        for pipe in self._pipes:
            with suppress(BrokenPipeError):  # one that has died: the others do its part, and `check` tells of the last
                pipe.send(job_id)

    def check(self) -> None:
        """Raise WorkerEnded when none of the processes is left."""
        if not any(process.is_alive() for process in self._processes):
            codes = ", ".join(str(process.exitcode) for process in self._processes)
            raise WorkerEnded(f"the local workers ended with exit codes {codes} before the job did")

    def stop(self) -> None:
        """Each ends with the chunk that it is at; whoever takes too long is killed, and its chunk's lease runs out."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it cancels the job
    from signals.greeks.core.engine import warm

    warm()
    name = f"{socket.gethostname()}:{os.getpid()}"
    while not ending.is_set():
        if jobs.poll(PAUSE_SECONDS):
            _compute(jobs.recv(), number, count, name, ending)


def _compute(job_id: uuid.UUID, number: int, count: int, name: str, ending: Event) -> None:
    """Until the job has ended. An attempt that fails was counted: after a few, its chunk ends with a reason."""
    while not ending.is_set():
        try:
            open_chunks = _open_chunks(job_id)
            if open_chunks is None:
                return
            begin = len(open_chunks) * number // count  # not all at the same chunk
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
        except Exception:  # whatever it is: the attempt was counted, and after a few the chunk ends with a reason
            logger.exception("job %s: a chunk failed; trying again in %g s", job_id, RETRY_SECONDS)
            time.sleep(RETRY_SECONDS)


def _open_chunks(job_id: uuid.UUID) -> list[int] | None:
    """Chunks that can be claimed now, in order; None when the job has ended."""
    if Job.objects.filter(pk=job_id, status__in=Job.TERMINAL).exists():
        return None
    claimable = Q(status=Chunk.Status.PENDING) | Q(status=Chunk.Status.RUNNING, lease_until__lt=Now())
    return list(Chunk.objects.filter(claimable, job=job_id).order_by("number").values_list("id", flat=True))
