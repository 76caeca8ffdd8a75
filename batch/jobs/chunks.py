"""Claim a chunk, compute it, store its answers. PostgreSQL's clock and an attempt number decide who owns it."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, connection
from django.db.models.functions import Now

from batch.events import Event, log_event
from batch.jobs import progress
from batch.jobs.answering import answer
from batch.jobs.core.answers import Block, without_value
from batch.jobs.core.items import Items
from batch.jobs.endings import log_if_ended
from batch.jobs.models import Chunk, Job
from batch.jobs.stored import readable_params, stored_items
from batch.jobs.transactions import worker_transaction
from batch.jobs.webhook_events import publish_end
from signalsite.foundation.computations.columns import CANCELLED, INTERNAL_ERROR, VERDICT
from signalsite.foundation.computations.registry import computations, find
from signalsite.foundation.stored_json import read_json

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
HEARTBEAT_SECONDS = 5
MAX_ATTEMPTS = 3
CANCELLING_WORKER = "cancel"  # stored as the name of the worker


@dataclass(frozen=True, slots=True)
class ChunkClaim:
    chunk_id: int
    attempt: int
    job_id: uuid.UUID
    items: Items
    kind: str
    params: dict[str, Any]  # or Unreadable, as the context may be: then computing fails
    as_of: datetime
    cancelling: bool


_CLAIM = """
UPDATE batch_chunk c SET status = 'running', attempt = attempt + 1, worker = %(worker)s, task_id = %(task)s,
       started_at = now(), lease_until = now() + make_interval(secs => %(lease)s)
FROM batch_job j
WHERE c.id = %(chunk)s AND j.id = c.job_id AND j.status IN ('in_progress', 'cancelling')
  AND (c.status = 'pending' OR (c.status = 'running' AND (c.lease_until < now()
                                                          OR (%(again)s AND c.task_id = %(task)s))))
RETURNING c.attempt, c.job_id, c.item_block, c.size, j.kind, j.params::text, j.as_of,
          j.status = 'cancelling'
"""


_EXTEND_LEASE = """
UPDATE batch_chunk SET lease_until = now() + make_interval(secs => %s)
WHERE id = %s AND attempt = %s AND status = 'running'
"""


def claim(chunk_id: int, *, worker: str, task_id: str, again: bool = False) -> ChunkClaim | None:
    """Claim a chunk under a new attempt number, in one short transaction. Return None if it is not free.

    `again`: this task ran before, and failed or was lost with its process, so its earlier claim is free.
    """
    values: dict[str, int | str] = {
        "chunk": chunk_id,
        "worker": worker,
        "task": task_id,
        "again": again,
        "lease": LEASE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    if row is None:
        return None
    attempt, job_id, item_block, size, kind, params, as_of, cancelling = row
    return ChunkClaim(
        chunk_id=chunk_id,
        attempt=attempt,
        job_id=job_id,
        items=stored_items(item_block, size),
        kind=kind,
        params=read_json(params),
        as_of=as_of,
        cancelling=cancelling,
    )


@lru_cache(maxsize=2)
def _context(job_id: uuid.UUID) -> Any:
    """Return what the job's chunks share.

    It never changes while chunks can be claimed. For a million items it is megabytes, so each process reads it once.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT context::text FROM batch_job WHERE id = %s", (job_id,))
        found = cursor.fetchone()
    return read_json(found[0] if found else "{}")


def compute_chunk(chunk_id: int, *, worker: str, task_id: str = "", again: bool = False) -> bool:
    """Compute one chunk and store its answers. Return False if there was nothing to do, or if another attempt won.

    An error is counted and raised. The caller must run the task again under the same id, with `again`. After
    MAX_ATTEMPTS, the next attempt ends the chunk with a reason instead of computing it.
    """
    claimed = claim(chunk_id, worker=worker, task_id=task_id, again=again)
    if claimed is None:
        return False
    if claimed.attempt > 1:
        log_event(Event.CHUNK_TAKEN_OVER, job=claimed.job_id, chunk=chunk_id, attempt=claimed.attempt, worker=worker)
    try:
        return _store(claimed, *_answer(claimed))
    except Exception as error:
        log_event(Event.CHUNK_FAILED, job=claimed.job_id, chunk=chunk_id, attempt=claimed.attempt, error=error)
        raise


def _answer(claimed: ChunkClaim) -> tuple[Block, str]:
    """Return the chunk's answers, and the digest of their inputs."""
    items, known = claimed.items, computations().get(claimed.kind)
    names = [column.name for column in (known.columns_for(readable_params(claimed.params)) if known else VERDICT)]
    if claimed.cancelling:
        reason = "the job was cancelled before this item was computed"
        return without_value(items, names, CANCELLED.word, reason), ""
    if claimed.attempt > MAX_ATTEMPTS:
        log_event(Event.CHUNK_GIVEN_UP, level=logging.ERROR, job=claimed.job_id, chunk=claimed.chunk_id)
        return without_value(items, names, INTERNAL_ERROR.word, f"computing failed {MAX_ATTEMPTS} times"), ""
    with _heartbeat(claimed):
        return answer(find(claimed.kind), items, claimed.as_of, claimed.params, _context(claimed.job_id))


@contextmanager
def _heartbeat(claimed: ChunkClaim) -> Iterator[None]:
    """Extend the lease while the body runs. A chunk takes well under a second, so this rarely happens."""
    stop = threading.Event()

    def extend() -> None:
        try:
            while not stop.wait(HEARTBEAT_SECONDS):
                with connection.cursor() as cursor:
                    cursor.execute(_EXTEND_LEASE, (LEASE_SECONDS, claimed.chunk_id, claimed.attempt))
        except DatabaseError as error:  # the lease expires, another attempt takes over, ours is refused
            logger.warning("chunk %s: heartbeat failed: %s", claimed.chunk_id, error)
        finally:
            connection.close()  # each thread has its own

    thread = threading.Thread(target=extend, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


_FINISH_JOB = """
UPDATE batch_job SET completed = completed + %(completed)s, failed = failed + %(failed)s,
    status = CASE WHEN completed + failed + %(size)s < total THEN status
                  WHEN status = 'cancelling' THEN 'cancelled' ELSE 'completed' END,
    finished_at = CASE WHEN completed + failed + %(size)s < total THEN NULL ELSE now() END
WHERE id = %(job)s RETURNING status
"""


def _store(claimed: ChunkClaim, block: Block, digest: str) -> bool:
    """Store answers, chunk state and job counters in one transaction, if the attempt still owns the chunk."""
    size = len(claimed.items)
    with worker_transaction():
        ours = Chunk.objects.filter(pk=claimed.chunk_id, attempt=claimed.attempt, status=Chunk.Status.RUNNING).update(
            status=Chunk.Status.DONE,
            finished_at=Now(),
            lease_until=None,
            completed=block.completed,
            failed=size - block.completed,
            digest=digest,
            rows=block.rows,
            status_counts=block.counts,
            answer_block=block.data,
        )
        if not ours:
            log_event(Event.LATE_ATTEMPT_REFUSED, job=claimed.job_id, chunk=claimed.chunk_id, attempt=claimed.attempt)
            return False
        with connection.cursor() as cursor:
            counts = {"completed": block.completed, "failed": size - block.completed, "size": size}
            cursor.execute(_FINISH_JOB, {**counts, "job": claimed.job_id})
            status = cursor.fetchone()[0]
        if status in Job.TERMINAL:
            publish_end(claimed.job_id)
    progress.publish_state(claimed.job_id, at_once=status in Job.TERMINAL)
    if status in Job.TERMINAL:
        log_if_ended(claimed.job_id)
    return True


def close_cancelled(job_id: uuid.UUID, *, seconds: float) -> list[int]:
    """Close the open chunks of a job that is being cancelled, except those that a worker has claimed.

    Stop after `seconds`, or at an error of PostgreSQL. Return the ids of the chunks left.
    """
    deadline = time.monotonic() + seconds
    unfinished = Chunk.objects.filter(job=job_id).exclude(status=Chunk.Status.DONE)
    left = list(unfinished.order_by("number").values_list("id", flat=True))
    while left and time.monotonic() < deadline:
        try:
            compute_chunk(left[0], worker=CANCELLING_WORKER)
        except DatabaseError as error:
            logger.warning("job %s: closing its chunks failed, workers go on: %s", job_id, error)
            break
        left.pop(0)
    return left
