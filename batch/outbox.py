"""The rows of webhook deliveries: written with the end of their job, claimed for an attempt, marked with its outcome.

A delivery is written in the transaction that ends its job, so none is lost. An attempt is claimed in a short
transaction under its number, with the next one due only after a lease; nothing is locked while it is sent.
"""

import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from batch.events import Event, happened
from batch.models import Job, WebhookDelivery
from batch.sending import TOTAL_SECONDS

logger = logging.getLogger(__name__)

DELIVER_TASK = "batch.deliver_webhook"
LEASE_SECONDS = TOTAL_SECONDS * 3


def enqueue(job_id: uuid.UUID) -> None:
    """Call in the transaction that ends a job: writes its delivery, and rings once that has been committed.

    Nothing where the job asked for no webhook or has not ended.
    """
    ended = Job.objects.filter(pk=job_id, status__in=Job.TERMINAL).exclude(webhook_url="")
    if ended.exists():
        delivery, _ = WebhookDelivery.objects.get_or_create(job_id=job_id)
        transaction.on_commit(partial(ring, [delivery.pk]))


def ring(delivery_ids: Iterable[uuid.UUID]) -> None:
    """Enqueue deliveries that are kept already. A broker that is down only delays them: beat finds them again."""
    try:
        for delivery_id in delivery_ids:
            current_app.send_task(DELIVER_TASK, (str(delivery_id),))
    except OperationalError as error:
        logger.error("broker unavailable, webhooks wait for the next sweep: %s", error)


def find_due(most: int = 100) -> list[uuid.UUID]:
    """Deliveries whose time has come: retries, and those whose task or worker was lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM batch_webhookdelivery WHERE status = 'pending' AND next_attempt_at <= now()"
            " ORDER BY next_attempt_at LIMIT %s",
            [most],
        )
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Claim:
    delivery_id: uuid.UUID
    attempt: int  # from 1
    job_id: uuid.UUID


# An attempt without an entry in the log is on its way, or its worker died: that is said when the next one begins.
_CLAIM = """
UPDATE batch_webhookdelivery d SET attempts = attempts + 1,
    next_attempt_at = now() + make_interval(secs => %(lease)s),
    log = CASE WHEN jsonb_array_length(log) < attempts THEN log || %(lost)s::jsonb ELSE log END
WHERE id = %(id)s AND status = 'pending' AND next_attempt_at <= now()
  AND (SELECT count(*) FROM batch_webhookdelivery o WHERE o.status = 'pending' AND o.next_attempt_at > now()
       AND jsonb_array_length(o.log) < o.attempts) < %(concurrency)s
RETURNING attempts, job_id
"""
_LOST = orjson.dumps([{"error": "the worker ended before it heard an answer"}]).decode()


def claim(delivery_id: uuid.UUID) -> Claim | None:
    """Take the next attempt; None where it is not due, is held or is done, or where as many are on their way as may be:
    slow receivers must not keep every worker from computing.
    """
    values: dict[str, Any] = {
        "id": delivery_id,
        "lease": LEASE_SECONDS,
        "lost": _LOST,
        "concurrency": settings.WEBHOOK_CONCURRENCY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    return None if row is None else Claim(delivery_id, *row)


_RECORD = """
UPDATE batch_webhookdelivery SET status = %(status)s, log = log || %(entry)s::jsonb,
    next_attempt_at = now() + make_interval(secs => %(wait)s)
WHERE id = %(id)s AND status = 'pending' AND attempts = %(attempt)s
"""


def record(claimed: Claim, status: WebhookDelivery.Status, entry: Mapping[str, Any], wait: float = 0.0) -> None:
    """Keep an attempt's outcome, if the attempt is still ours. `wait`: seconds until the next one, of a pending one."""
    values: dict[str, Any] = {"id": claimed.delivery_id, "attempt": claimed.attempt, "status": status, "wait": wait}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {**values, "entry": orjson.dumps([entry]).decode()})
        kept = cursor.rowcount
    context = {"job": claimed.job_id, "webhook": claimed.delivery_id, "attempt": claimed.attempt, **entry}
    if not kept:
        happened(Event.LATE_ATTEMPT_REFUSED, **context)
    elif status == WebhookDelivery.Status.DELIVERED:
        happened(Event.WEBHOOK_DELIVERED, level=logging.INFO, **context)
    elif status == WebhookDelivery.Status.PENDING:
        happened(Event.WEBHOOK_FAILED, next_in_seconds=round(wait), **context)
    else:
        happened(Event.WEBHOOK_GIVEN_UP, level=logging.ERROR, **context)
