"""Log rare events of the batch engine, and count them in the database for `batch.metrics`."""

import logging
from enum import StrEnum

from django.db import connection

logger = logging.getLogger(__name__)


class Event(StrEnum):
    CHUNK_TAKEN_OVER = "chunk_taken_over"  # its worker died or hung, and another attempt runs
    LATE_ATTEMPT_REFUSED = "late_attempt_refused"  # a worker finished after its claim was lost
    CHUNK_FAILED = "chunk_failed"  # computing raised; another attempt follows
    CHUNK_GIVEN_UP = "chunk_given_up"  # it failed too often; its items say so
    JOB_GIVEN_UP = "job_given_up"  # it could not be prepared
    JOB_REQUEUED = "job_requeued"  # its task was lost
    CHUNK_REQUEUED = "chunk_requeued"
    BROKER_UNAVAILABLE = "broker_unavailable"  # nothing could be enqueued; the sweep retries
    SWEPT = "swept"  # the sweep ran; if this count stops, beat or the workers have stopped
    JOB_REUSED = "job_reused"  # answered from an earlier job
    JOB_EXPIRED = "job_expired"
    RUN_TAKEN_OVER = "run_taken_over"  # of a configuration: its process died or hung, and another attempt runs
    RUN_MISSED = "run_missed"  # no worker was free in time, or the configuration was set inactive
    RUN_FAILED = "run_failed"  # computing raised; another attempt follows
    RUN_GIVEN_UP = "run_given_up"  # its process ended too often
    RUN_REQUEUED = "run_requeued"  # its task was lost
    RUN_REFUSED = "run_refused"  # a worker finished after its claim was lost
    RESULTS_UNPUBLISHED = "results_unpublished"  # Redis was away, or too many wait; the sweep publishes them
    WEBHOOK_DELIVERED = "webhook_delivered"
    WEBHOOK_FAILED = "webhook_failed"  # one attempt failed; another follows
    WEBHOOK_GIVEN_UP = "webhook_given_up"


def log_event(event: Event, by: int = 1, *, level: int = logging.WARNING, **context: object) -> None:
    """Log an event with its context, and count it, in the caller's transaction if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO batch_eventcount AS kept (name, count) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET count = kept.count + EXCLUDED.count",
            (event, by),
        )
    known = {name: str(value) for name, value in context.items()}
    logger.log(level, "%s (%d)", event, by, extra=known)
