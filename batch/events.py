"""Rare events of the batch engine: a log line each, and a count that outlives the process (see `metrics`)."""

import logging
from enum import StrEnum

from django.db import connection

logger = logging.getLogger(__name__)


class Event(StrEnum):
    CHUNK_TAKEN_OVER = "chunk_taken_over"  # its worker died or hung; another attempt runs
    LATE_ATTEMPT_REFUSED = "late_attempt_refused"  # a worker came back after its chunk was taken over
    CHUNK_FAILED = "chunk_failed"  # computing raised; it will be tried again
    CHUNK_GIVEN_UP = "chunk_given_up"  # it failed too often: its items say so
    JOB_GIVEN_UP = "job_given_up"  # it could not be prepared
    JOB_REQUEUED = "job_requeued"  # its task was lost
    CHUNK_REQUEUED = "chunk_requeued"
    BROKER_UNAVAILABLE = "broker_unavailable"  # nothing could be enqueued; the sweep will
    SWEPT = "swept"  # the sweep ran: where this count stands still, beat or the workers do
    JOB_REUSED = "job_reused"  # answered from an earlier job
    JOB_EXPIRED = "job_expired"
    WEBHOOK_DELIVERED = "webhook_delivered"
    WEBHOOK_FAILED = "webhook_failed"  # one attempt; there will be another
    WEBHOOK_GIVEN_UP = "webhook_given_up"


def log_event(event: Event, by: int = 1, *, level: int = logging.WARNING, **context: object) -> None:
    """Count it in the caller's transaction, if there is one, and log it with its context."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO batch_eventcount AS kept (name, count) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET count = kept.count + EXCLUDED.count",
            (event, by),
        )
    known = {name: str(value) for name, value in context.items()}
    logger.log(level, "%s (%d)", event, by, extra=known)
