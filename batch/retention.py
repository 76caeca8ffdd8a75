"""Ended jobs go after their time, a batch at a time, so that nothing is locked for long."""

import logging

from django.conf import settings
from django.db import connection, transaction

from batch.events import Event, happened
from batch.idempotency import HOURS

ROWS = 20_000

_DUE = """
SELECT id FROM batch_job WHERE finished_at < now() - make_interval(secs => %s) ORDER BY finished_at LIMIT 1
FOR UPDATE SKIP LOCKED
"""
_RESULTS = """
DELETE FROM batch_result WHERE (job_id, position) IN (
    SELECT job_id, position FROM batch_result WHERE job_id = %s LIMIT %s
)
"""
_REFERENCES = (
    "UPDATE batch_job SET retry_of_id = NULL WHERE retry_of_id = %s",
    "UPDATE batch_job SET reused_from_id = NULL WHERE reused_from_id = %s",
    "DELETE FROM batch_webhookdelivery WHERE job_id = %s",
    "DELETE FROM batch_chunk WHERE job_id = %s",
    "DELETE FROM batch_job WHERE id = %s",
)


def expire(*, most_rows: int = 500_000) -> int:
    """Remove jobs that ended more than JOB_RETENTION_DAYS ago, and idempotency keys past their time.

    Returns the number of jobs removed; whoever dies on the way leaves a job with fewer results, which the next call
    removes. Not more than about `most_rows` rows a call: the rest waits for the next.
    """
    seconds = settings.JOB_RETENTION_DAYS * 86400
    removed = rows = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM batch_idempotencykey WHERE created_at < now() - make_interval(hours => %s)", [HOURS]
        )
        while rows < most_rows:
            with transaction.atomic():
                cursor.execute(_DUE, [seconds])
                due = cursor.fetchone()
                if due is None:
                    break
                cursor.execute(_RESULTS, [due[0], ROWS])
                deleted = cursor.rowcount
                rows += deleted + 1
                if deleted < ROWS:
                    for statement in _REFERENCES:
                        cursor.execute(statement, [due[0]])
                    removed += 1
    if removed:
        happened(Event.JOB_EXPIRED, removed, level=logging.INFO)
    return removed
