"""Ended jobs go after their time, a batch at a time, so that nothing is locked for long."""

import logging

from django.conf import settings
from django.db import connection, transaction

from batch.events import Event, log_event
from batch.jobs.idempotency import HOURS
from batch.jobs.models import Job
from batch.webhooks import outbox

CHUNKS = 50  # with their answers, some hundred kilobytes each

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
    """Remove jobs that ended more than JOB_RETENTION_DAYS ago, and idempotency keys past their time.

    Returns the number of jobs removed; whoever dies on the way leaves a job with fewer chunks, which the next call
    removes. Not more than about `most_chunks` chunks a call: the rest waits for the next.
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
