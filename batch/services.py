"""What can be done with jobs. Enqueueing is the caller's: these functions return what is to be enqueued."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now

from batch.core.chunks import chunk_size
from batch.core.items import Items
from batch.kinds import KINDS
from batch.kinds.base import Kind, Prepared
from batch.models import Chunk, Job
from batch.results import OK, ResultRow, copy_in, encode

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
MAX_ATTEMPTS = 3
_SHARED_FIELDS = ("status", "reason", "retryable")


@dataclass(frozen=True, slots=True)
class Answer:
    as_of: datetime
    rows: list[ResultRow]


def submit(
    *,
    owner: User,
    kind: Kind,
    params: Mapping[str, Any],
    as_of: datetime | None,
    items: Items | None = None,
    selector: Mapping[str, Any] | None = None,
) -> Job:
    """Keep a job, with its items in chunks. It is to be prepared next; until then its instant may be open."""
    with transaction.atomic():
        job = Job.objects.create(
            owner=owner, kind=kind.name, params=dict(params), as_of=as_of, selector=selector, total=len(items or ())
        )
        if items is not None:
            _cut(job, items)
    job.refresh_from_db()
    logger.info("job accepted", extra={"job": str(job.id), "kind": job.kind, "items": job.total})
    return job


def _cut(job: Job, items: Items) -> None:
    job.chunk_size = chunk_size(len(items), settings.WORKERS)
    job.total = len(items)
    job.save(update_fields=["chunk_size", "total"])
    Chunk.objects.bulk_create(
        [
            Chunk(job=job, number=number, first_position=start, size=len(part), items=part.to_json())
            for number, start in enumerate(range(0, len(items), job.chunk_size))
            if (part := items.part(start, start + job.chunk_size))
        ]
    )


def answer_now(*, kind: Kind, params: Mapping[str, Any], as_of: datetime | None, items: Items, now: datetime) -> Answer:
    """The same computation without a job: prepared, computed and encoded at once."""
    prepared = kind.prepare_items(items.keys, as_of, params)
    columns = kind.compute(items, prepared.as_of or now, params, prepared.context)
    _refuse(columns, items.refused)
    return Answer(prepared.as_of or now, encode(items, 0, columns))


def answer_body(answer: Answer, params: Mapping[str, Any]) -> str:
    completed = sum(row.status == OK for row in answer.rows)
    head = {
        "as_of": answer.as_of,
        "params": params,
        "request_counts": {
            "total": len(answer.rows),
            "completed": completed,
            "failed": len(answer.rows) - completed,
        },
    }
    bodies = ",".join(row.body for row in answer.rows)
    return f'{orjson.dumps(head).decode()[:-1]},"data":[{bodies}]}}'


def prepare(job_id: uuid.UUID) -> list[int]:
    """Resolve what the job's chunks share and open them for work; their ids. Nothing where that was done before."""
    job = Job.objects.get(pk=job_id)
    if job.status != Job.Status.VALIDATING:
        return []
    kind = KINDS[job.kind]
    if job.selector is None:
        keys = [key for chunk in job.chunks.order_by("number").values_list("items", flat=True) for key in chunk["keys"]]
        prepared = kind.prepare_items(keys, job.as_of, job.params)
    else:
        prepared = kind.prepare_selector(job.selector, job.as_of, job.params)
    return _open(job, prepared)


def _open(job: Job, prepared: Prepared) -> list[int]:
    empty = prepared.keys is not None and not prepared.keys
    too_many = len(prepared.keys or ()) > settings.BATCH_MAX_ITEMS
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        if locked.status != Job.Status.VALIDATING:
            return []
        if empty or too_many:
            locked.status = Job.Status.FAILED
            locked.error = _selection_error(prepared, too_many)
            locked.finished_at = Now()
            locked.as_of = prepared.as_of
            locked.save(update_fields=["status", "error", "finished_at", "as_of"])
            return []
        if prepared.keys is not None:
            _cut(locked, Items(prepared.keys, [None] * len(prepared.keys)))
        locked.status = Job.Status.IN_PROGRESS
        locked.as_of = prepared.as_of or locked.created_at
        locked.context = prepared.context
        locked.started_at = Now()
        locked.save(update_fields=["status", "as_of", "context", "started_at"])
    return list(Chunk.objects.filter(job=job).order_by("number").values_list("id", flat=True))


def _selection_error(prepared: Prepared, too_many: bool) -> str:
    if too_many:
        return f"the selector stands for {len(prepared.keys or ())} options; {settings.BATCH_MAX_ITEMS} are allowed"
    if prepared.newest and prepared.as_of:
        return (
            f"the selector stands for no option that was quoted shortly before {prepared.as_of.isoformat()}; "
            f"the newest quote is of {prepared.newest.isoformat()}"
        )
    return "the selector stands for no option with a quote"


@dataclass(frozen=True, slots=True)
class Claim:
    chunk_id: int
    attempt: int
    job_id: uuid.UUID
    first_position: int
    items: Items
    kind: Kind
    params: dict[str, Any]
    context: dict[str, Any]
    as_of: datetime
    cancelling: bool


_CLAIM = """
UPDATE batch_chunk c SET status = 'running', attempt = attempt + 1, worker = %(worker)s,
       started_at = now(), lease_until = now() + make_interval(secs => %(lease)s)
FROM batch_job j
WHERE c.id = %(chunk)s AND j.id = c.job_id AND j.status IN ('in_progress', 'cancelling')
  AND (c.status = 'pending' OR (c.status = 'running' AND c.lease_until < now()))
RETURNING c.attempt, c.job_id, c.first_position, c.items::text, j.kind, j.params::text, j.context::text, j.as_of,
          j.status = 'cancelling'
"""


def claim(chunk_id: int, worker: str) -> Claim | None:
    """Take a chunk under a new attempt number, in one short transaction; None where it is done, held or not open."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"chunk": chunk_id, "worker": worker, "lease": LEASE_SECONDS})
        row = cursor.fetchone()
    if row is None:
        return None
    attempt, job_id, first_position, items, kind, params, context, as_of, cancelling = row
    return Claim(
        chunk_id=chunk_id,
        attempt=attempt,
        job_id=job_id,
        first_position=first_position,
        items=Items.from_json(orjson.loads(items)),
        kind=KINDS[kind],
        params=orjson.loads(params),
        context=orjson.loads(context),
        as_of=as_of,
        cancelling=cancelling,
    )


def compute_chunk(chunk_id: int, worker: str) -> bool:
    """Compute one chunk and keep its results; False where there was nothing to do or another attempt won.

    An error in the computing gives the chunk back and is raised; the MAX_ATTEMPTS-th attempt ends it with a reason.
    """
    claimed = claim(chunk_id, worker)
    if claimed is None:
        return False
    if claimed.cancelling:
        columns = _without_value(claimed, "cancelled", "the job was cancelled before this item was computed")
    elif claimed.attempt > MAX_ATTEMPTS:
        columns = _without_value(claimed, "internal_error", f"computing failed {MAX_ATTEMPTS} times")
        logger.error("chunk given up", extra={"job": str(claimed.job_id), "chunk": chunk_id})
    else:
        try:
            columns = claimed.kind.compute(claimed.items, claimed.as_of, claimed.params, claimed.context)
        except Exception:
            _give_back(claimed)
            raise
        _refuse(columns, claimed.items.refused)
    return _keep(claimed, encode(claimed.items, claimed.first_position, columns))


def _without_value(claimed: Claim, status: str, reason: str) -> dict[str, list[Any]]:
    count = len(claimed.items)
    columns: dict[str, list[Any]] = {name: [None] * count for name in claimed.kind.fields}
    columns |= {"status": [status] * count, "reason": [reason] * count, "retryable": [True] * count}
    _refuse(columns, claimed.items.refused)
    return columns


def _refuse(columns: dict[str, list[Any]], refused: Mapping[int, str]) -> None:
    """What was wrong with an item at the door stands, whatever the computing made of it."""
    for place, reason in refused.items():
        for column in columns.values():
            column[place] = None
        for name, value in zip(_SHARED_FIELDS, ("bad_input", reason, False), strict=True):
            columns[name][place] = value


def _give_back(claimed: Claim) -> None:
    Chunk.objects.filter(pk=claimed.chunk_id, attempt=claimed.attempt, status=Chunk.Status.RUNNING).update(
        status=Chunk.Status.PENDING, lease_until=None
    )


_FINISH_JOB = """
UPDATE batch_job SET completed = completed + %(completed)s, failed = failed + %(failed)s,
    status = CASE WHEN completed + failed + %(size)s < total THEN status
                  WHEN status = 'cancelling' THEN 'cancelled' ELSE 'completed' END,
    finished_at = CASE WHEN completed + failed + %(size)s < total THEN NULL ELSE now() END
WHERE id = %(job)s RETURNING status
"""


def _keep(claimed: Claim, rows: Sequence[ResultRow]) -> bool:
    """Results, the chunk's mark and the job's counters in one transaction that holds only if the attempt is ours."""
    completed = sum(row.status == OK for row in rows)
    failed = len(rows) - completed
    with transaction.atomic():
        ours = Chunk.objects.filter(pk=claimed.chunk_id, attempt=claimed.attempt, status=Chunk.Status.RUNNING).update(
            status=Chunk.Status.DONE, finished_at=Now(), lease_until=None, completed=completed, failed=failed
        )
        if not ours:
            logger.warning("late attempt refused", extra={"job": str(claimed.job_id), "chunk": claimed.chunk_id})
            return False
        copy_in(claimed.job_id, rows)
        with connection.cursor() as cursor:
            cursor.execute(
                _FINISH_JOB, {"completed": completed, "failed": failed, "size": len(rows), "job": claimed.job_id}
            )
            status = cursor.fetchone()[0]
    if status in Job.TERMINAL:
        logger.info("job ended", extra={"job": str(claimed.job_id), "status": status})
    return True


def cancel(job: Job) -> list[int]:
    """Stop a job: what is computed stays, the rest gets a row that says so. The ids of the chunks to be closed.

    A job that is still being validated ends at once; one that has ended stays as it is.
    """
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        if locked.status == Job.Status.VALIDATING and locked.selector is not None:
            locked.status, locked.finished_at = Job.Status.CANCELLED, Now()
        elif locked.status in (Job.Status.VALIDATING, Job.Status.IN_PROGRESS):
            locked.as_of = locked.as_of or locked.created_at
            locked.status = Job.Status.CANCELLING
        else:
            return []
        locked.save(update_fields=["status", "finished_at", "as_of"])
    return list(Chunk.objects.filter(job=job, status=Chunk.Status.PENDING).values_list("id", flat=True))


_STALLED = """
WITH stalled AS (
    SELECT c.id FROM batch_chunk c JOIN batch_job j ON j.id = c.job_id
    WHERE j.status IN ('in_progress', 'cancelling')
      AND ((c.status = 'running' AND c.lease_until < now())
        OR (c.status = 'pending' AND coalesce(c.rung_at, j.started_at, j.created_at) < now() - interval '30 seconds'))
    ORDER BY j.created_at, c.number LIMIT %(most)s FOR UPDATE OF c SKIP LOCKED
)
UPDATE batch_chunk SET rung_at = now() FROM stalled WHERE batch_chunk.id = stalled.id RETURNING batch_chunk.id
"""


def find_stalled(most: int = 500) -> tuple[list[uuid.UUID], list[int]]:
    """Jobs that nobody prepares and chunks that nobody works on: their tasks were lost, or their worker died."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM batch_job WHERE status = 'validating' AND created_at < now() - interval '15 seconds'"
        )
        jobs = [row[0] for row in cursor.fetchall()]
        cursor.execute(_STALLED, {"most": most})
        return jobs, [row[0] for row in cursor.fetchall()]
