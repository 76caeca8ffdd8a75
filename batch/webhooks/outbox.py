"""The rows of webhook deliveries: written with the end of their job, claimed for an attempt, marked with its outcome.

A delivery is written in the transaction that ends its job, so none is lost. An attempt is claimed in a short
transaction under its number, with the next one due only after a lease; nothing is locked while it is sent.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from batch.events import Event, happened
from batch.jobs.models import Job
from batch.webhooks.models import WebhookDelivery
from batch.webhooks.sending import TOTAL_SECONDS

logger = logging.getLogger(__name__)

DELIVER_TASK = "batch.deliver_webhook"
LEASE_SECONDS = TOTAL_SECONDS * 3
AHEAD_SECONDS = 6.0  # a little longer than the sweep's period: what falls due before the next one is rung for, too


def enqueue(job_id: uuid.UUID) -> None:
    """Call in the transaction that ends a job: writes its delivery, and rings once that has been committed.

    Nothing where the job asked for no webhook or has not ended.
    """
    ended = Job.objects.filter(pk=job_id, status__in=Job.TERMINAL).exclude(webhook_url="")
    if ended.exists():
        delivery, _ = WebhookDelivery.objects.get_or_create(job_id=job_id)
        transaction.on_commit(partial(ring, {delivery.pk: 0.0}))


def send_again(delivery_id: uuid.UUID) -> bool:
    """Begin anew with a delivery that was given up, under the same id; False where it was not. It is to be rung for."""
    given_up = WebhookDelivery.objects.filter(pk=delivery_id, status=WebhookDelivery.Status.FAILED)
    again = WebhookDelivery.Status.PENDING
    return bool(given_up.update(status=again, attempts_before=F("attempts"), next_attempt_at=Now()))


def ring(deliveries: Mapping[uuid.UUID, float], *, queue: str | None = None) -> None:
    """Enqueue deliveries that are kept already, each to be begun in so many seconds. A broker that is down only delays
    them: beat finds them again.
    """
    try:
        for delivery_id, seconds in deliveries.items():
            current_app.send_task(DELIVER_TASK, (str(delivery_id),), countdown=seconds or None, queue=queue)
    except OperationalError as error:
        logger.error("broker unavailable, webhooks wait for the next sweep: %s", error)


_DUE = """
SELECT id, greatest(extract(epoch FROM next_attempt_at - now()), 0)::float FROM batch_webhookdelivery
WHERE status = 'pending' AND next_attempt_at <= now() + make_interval(secs => %s) ORDER BY next_attempt_at LIMIT %s
"""


def find_due(most: int = 100, *, ahead: float = 0.0) -> dict[uuid.UUID, float]:
    """Deliveries whose time has come or comes in `ahead` seconds, each with the seconds until then: retries, and those
    whose task or worker was lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [ahead, most])
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Claim:
    delivery_id: uuid.UUID
    attempt: int  # from 1
    tried: int  # attempts since it was first sent, or sent again, with this one
    job_id: uuid.UUID


# An attempt without an entry in the log is on its way, or its worker died: that is said when the next one begins.
_CLAIM = """
UPDATE batch_webhookdelivery d SET attempts = attempts + 1,
    next_attempt_at = now() + make_interval(secs => %(lease)s),
    log = CASE WHEN jsonb_array_length(log) < attempts THEN log || %(lost)s::jsonb ELSE log END
WHERE id = %(id)s AND status = 'pending' AND next_attempt_at <= now()
  AND (SELECT count(*) FROM batch_webhookdelivery o WHERE o.status = 'pending' AND o.next_attempt_at > now()
       AND jsonb_array_length(o.log) < o.attempts) < %(concurrency)s
RETURNING attempts, attempts - attempts_before, job_id
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
