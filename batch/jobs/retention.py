"""Delete ended jobs after the retention time, in small batches, so that locks are short."""

import logging

from django.conf import settings
from django.db import connection, transaction

from batch.events import Event, log_event
from batch.jobs.idempotency import HOURS
from batch.jobs.models import Job
from batch.webhooks import outbox

CHUNKS = 50  # each has some hundred kilobytes of answers

_DUE = """
SELECT id FROM batch_job WHERE finished_at < now() - make_interval(secs => %s) ORDER BY finished_at LIMIT 1
FOR UPDATE SKIP LOCKED
"""
_CHUNKS = """
DELETE FROM batch_chunk WHERE id IN (SELECT id FROM batch_chunk WHERE job_id = %s LIMIT %s)
"""
_REFERENCES = (
    "UPDATE batch_job SET retry_of_id = NULL WHERE retry_of_id = %s",
    "UPDATE batch_job SET reused_from_id = NULL WHERE reused_from_id = %s",
    "DELETE FROM batch_job WHERE id = %s",
)


def expire(*, most_chunks: int = 5_000) -> int:
    """Delete jobs that ended more than JOB_RETENTION_DAYS ago, and expired idempotency keys.

    Returns the number of jobs deleted. A call deletes about `most_chunks` chunks and leaves the rest to the next. A
    call that is killed leaves a job with fewer chunks, which the next call deletes.
    """
    seconds = settings.JOB_RETENTION_DAYS * 86400
    removed = chunks = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM batch_idempotencykey WHERE created_at < now() - make_interval(hours => %s)", [HOURS]
        )
        while chunks < most_chunks:
            with transaction.atomic():
                cursor.execute(_DUE, [seconds])
                due = cursor.fetchone()
                if due is None:
                    break
                cursor.execute(_CHUNKS, [due[0], CHUNKS])
                deleted = cursor.rowcount
                chunks += deleted + 1
                if deleted < CHUNKS:
                    outbox.delete_about(Job, due[0])
                    for statement in _REFERENCES:
                        cursor.execute(statement, [due[0]])
                    removed += 1
    if removed:
        log_event(Event.JOB_EXPIRED, removed, level=logging.INFO)
    return removed
