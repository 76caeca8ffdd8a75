"""One chunk of a job: claimed, computed, kept. PostgreSQL's clock and an attempt number say whose it is."""

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
from batch.jobs.stored import stored_items
from batch.jobs.transactions import worker_transaction
from batch.jobs.webhook_events import publish_end
from signalsite.foundation.computations.contract import CANCELLED, INTERNAL_ERROR, VERDICT
from signalsite.foundation.computations.registry import computations, find
from signalsite.foundation.stored_json import read_json

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
HEARTBEAT_SECONDS = 5
MAX_ATTEMPTS = 3
CANCELLING_WORKER = "cancel"  # in the place of a worker's name


@dataclass(frozen=True, slots=True)
class Claim:
    chunk_id: int
    attempt: int
    job_id: uuid.UUID
    items: Items
    kind: str
    params: dict[str, Any]  # or Unreadable, as the job's context: computing fails, and the chunk ends with that reason
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


_BEAT = """
UPDATE batch_chunk SET lease_until = now() + make_interval(secs => %s)
WHERE id = %s AND attempt = %s AND status = 'running'
"""


def claim(chunk_id: int, *, worker: str, task_id: str, again: bool = False) -> Claim | None:
    """Take a chunk under a new attempt number, in one short transaction; None where it is done, held or not open.

    `again`: the task runs anew because its last run failed or was lost with its process, so what that one held is free.
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
    return Claim(
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
    """It does not change once a job has chunks to claim; of a million items it is megabytes, which each process reads
    once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT context::text FROM batch_job WHERE id = %s", (job_id,))
        found = cursor.fetchone()
    return read_json(found[0] if found else "{}")


def compute_chunk(chunk_id: int, *, worker: str, task_id: str = "", again: bool = False) -> bool:
    """Compute one chunk and keep its results; False where there was nothing to do or another attempt won.

    An error is raised after it was counted: the task is to be run `again`, under the same id. The attempt after the
    MAX_ATTEMPTS-th does not compute, it ends the chunk with a reason.
    """
    claimed = claim(chunk_id, worker=worker, task_id=task_id, again=again)
    if claimed is None:
        return False
    if claimed.attempt > 1:
        log_event(Event.CHUNK_TAKEN_OVER, job=claimed.job_id, chunk=chunk_id, attempt=claimed.attempt, worker=worker)
    try:
        return _keep(claimed, *_answer(claimed))
    except Exception as error:
        log_event(Event.CHUNK_FAILED, job=claimed.job_id, chunk=chunk_id, attempt=claimed.attempt, error=error)
        raise


def _answer(claimed: Claim) -> tuple[Block, str]:
    """The chunk's answers, and the digest of what they were computed from."""
    items, known = claimed.items, computations().get(claimed.kind)
    names = [column.name for column in (known.answer_columns if known else VERDICT)]
    if claimed.cancelling:
        reason = "the job was cancelled before this item was computed"
        return without_value(items, names, CANCELLED.word, reason), ""
    if claimed.attempt > MAX_ATTEMPTS:
        log_event(Event.CHUNK_GIVEN_UP, level=logging.ERROR, job=claimed.job_id, chunk=claimed.chunk_id)
        return without_value(items, names, INTERNAL_ERROR.word, f"computing failed {MAX_ATTEMPTS} times"), ""
    with _heartbeat(claimed):
        return answer(find(claimed.kind), items, claimed.as_of, claimed.params, _context(claimed.job_id))


@contextmanager
def _heartbeat(claimed: Claim) -> Iterator[None]:
    """Keep the lease while the body runs. A chunk takes well under a second, so the thread rarely gets to beat."""
    stop = threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(HEARTBEAT_SECONDS):
                with connection.cursor() as cursor:
                    cursor.execute(_BEAT, (LEASE_SECONDS, claimed.chunk_id, claimed.attempt))
        except DatabaseError as error:  # the lease runs out and another attempt takes over; ours will be refused
            logger.warning("chunk %s: heartbeat failed: %s", claimed.chunk_id, error)
        finally:
            connection.close()  # the thread's own

    thread = threading.Thread(target=beat, daemon=True)
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


def _keep(claimed: Claim, block: Block, digest: str) -> bool:
    """Answers, the chunk's mark and the job's counters in one transaction that holds only if the attempt is ours."""
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
    """Close the open chunks of a job that is being cancelled, here and not in a worker, but for those that one holds.

    The ids of what is left after `seconds`, or after a chunk that PostgreSQL would not take.
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
