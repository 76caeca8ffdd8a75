"""The outbox of webhooks: publish events, claim attempts, record outcomes.

An event is written in the transaction that makes it true, so it is sent if and only if that transaction commits. A
worker claims an attempt in a short transaction, under the attempt's number and with a lease. It holds no lock while it
sends.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Model
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from batch.events import Event, log_event
from batch.webhooks.models import WebhookDelivery, WebhookEvent
from batch.webhooks.sending import TOTAL_SECONDS

logger = logging.getLogger(__name__)

DELIVER_TASK = "batch.deliver_webhook"
LEASE_SECONDS = TOTAL_SECONDS * 3
AHEAD_SECONDS = 6.0  # a little longer than the sweep's period, so that a retry starts on time


def publish(
    *,
    key: str,
    type: str,
    subject: Model,
    owner_id: int,
    url: str,
    secret: str,
    timestamp: datetime,
    data: Mapping[str, Any],
) -> None:
    """Write an event and its delivery in the caller's transaction; enqueue the delivery after the commit.

    `key`: makes the event unique. Publishing a second time under the same key does nothing.
    `subject`: the object that the event is about. `timestamp`: when it happened. `data`: the message's `data`.
    """
    with transaction.atomic():
        event, created = WebhookEvent.objects.get_or_create(
            key=key,
            defaults={
                "type": type,
                **_about(subject),
                "owner_id": owner_id,
                "url": url,
                "secret": secret,
                "payload": _payload(type, timestamp, data),
            },
        )
        if created:
            WebhookDelivery.objects.create(event=event)
            transaction.on_commit(partial(enqueue, {event.pk: 0.0}))


def _about(subject: Model) -> dict[str, str]:
    return {"subject_model": subject._meta.label_lower, "subject_id": str(subject.pk)}


def _payload(type: str, timestamp: datetime, data: Mapping[str, Any]) -> str:
    """Return the body in the form of Standard Webhooks."""
    return orjson.dumps({"type": type, "timestamp": timestamp, "data": data}, option=orjson.OPT_UTC_Z).decode()


def deliveries_about(subject: Model) -> list[WebhookDelivery]:
    """Return the deliveries of all events about this object, oldest first, each with its event."""
    about = {f"event__{name}": value for name, value in _about(subject).items()}
    return list(WebhookDelivery.objects.filter(**about).select_related("event").order_by("created_at"))


def delete_about(model: type[Model], subject_id: object) -> None:
    """Delete the events about an object, and their deliveries."""
    values = {"model": model._meta.label_lower, "id": str(subject_id)}
    with connection.cursor() as cursor:
        for statement in _DELETE:
            cursor.execute(statement, values)


_DELETE = (
    """DELETE FROM batch_webhookdelivery d USING batch_webhookevent e
       WHERE e.id = d.event_id AND e.subject_model = %(model)s AND e.subject_id = %(id)s""",
    "DELETE FROM batch_webhookevent WHERE subject_model = %(model)s AND subject_id = %(id)s",
)


def send_again(event_id: uuid.UUID) -> bool:
    """Restart a delivery that was given up, under the same id. Return False if it was not given up.

    The caller must enqueue it.
    """
    given_up = WebhookDelivery.objects.filter(pk=event_id, status=WebhookDelivery.Status.FAILED)
    again = WebhookDelivery.Status.PENDING
    return bool(given_up.update(status=again, attempts_before=F("attempts"), next_attempt_at=Now()))


def enqueue(deliveries: Mapping[uuid.UUID, float], *, queue: str | None = None) -> None:
    """Enqueue stored deliveries, each to start after its number of seconds.

    A broker that is down only delays them: the next sweep finds them.
    """
    try:
        for event_id, seconds in deliveries.items():
            current_app.send_task(DELIVER_TASK, (str(event_id),), countdown=seconds or None, queue=queue)
    except OperationalError as error:
        logger.error("broker unavailable, webhooks wait for the next sweep: %s", error)


_DUE = """
SELECT event_id, greatest(extract(epoch FROM next_attempt_at - now()), 0)::float FROM batch_webhookdelivery
WHERE status = 'pending' AND next_attempt_at <= now() + make_interval(secs => %s) ORDER BY next_attempt_at LIMIT %s
"""


def find_due(most: int = 100, *, ahead: float = 0.0) -> dict[uuid.UUID, float]:
    """Return the deliveries due within `ahead` seconds, each with the seconds until then.

    These are retries, and deliveries whose task or worker was lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [ahead, most])
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class DeliveryClaim:
    """One attempt, and all that it sends."""

    event_id: uuid.UUID
    attempt: int  # from 1
    tried: int  # attempts since it was first sent, or sent again; this one included
    subject_id: str
    url: str
    secret: str
    payload: str


# An attempt without a log entry is either running or was lost with its worker. The next claim logs the loss. A log that
# is not a list, made by hand, counts as empty: it must not fail the claims of others.
_CLAIM = """
UPDATE batch_webhookdelivery d SET attempts = attempts + 1,
    next_attempt_at = now() + make_interval(secs => %(lease)s),
    log = CASE WHEN CASE jsonb_typeof(log) WHEN 'array' THEN jsonb_array_length(log) ELSE 0 END < attempts
        THEN log || %(lost)s::jsonb ELSE log END
FROM batch_webhookevent e
WHERE d.event_id = %(id)s AND e.id = d.event_id AND status = 'pending' AND next_attempt_at <= now()
  AND (SELECT count(*) FROM batch_webhookdelivery o WHERE o.status = 'pending' AND o.next_attempt_at > now()
       AND CASE jsonb_typeof(o.log) WHEN 'array' THEN jsonb_array_length(o.log) ELSE 0 END < o.attempts)
    < %(concurrency)s
RETURNING attempts, attempts - attempts_before, e.subject_id, e.url, e.secret, e.payload
"""
_LOST = orjson.dumps([{"error": "the worker ended before a response arrived"}]).decode()


def claim(event_id: uuid.UUID) -> DeliveryClaim | None:
    """Claim the next attempt. Return None if it is not due, is claimed or done, or if too many are being sent.

    The limit WEBHOOK_CONCURRENCY keeps slow receivers from occupying every worker.
    """
    values: dict[str, Any] = {
        "id": event_id,
        "lease": LEASE_SECONDS,
        "lost": _LOST,
        "concurrency": settings.WEBHOOK_CONCURRENCY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    return None if row is None else DeliveryClaim(event_id, *row)


_RECORD = """
UPDATE batch_webhookdelivery SET status = %(status)s, log = log || %(entry)s::jsonb,
    next_attempt_at = now() + make_interval(secs => %(wait)s)
WHERE event_id = %(id)s AND status = 'pending' AND attempts = %(attempt)s
"""


def record(claimed: DeliveryClaim, status: WebhookDelivery.Status, entry: Mapping[str, Any], wait: float = 0.0) -> None:
    """Record an attempt's outcome, if the claim still holds. `wait`: seconds until the next attempt, if pending."""
    values: dict[str, Any] = {"id": claimed.event_id, "attempt": claimed.attempt, "status": status, "wait": wait}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {**values, "entry": orjson.dumps([entry]).decode()})
        kept = cursor.rowcount
    context = {"subject": claimed.subject_id, "webhook": claimed.event_id, "attempt": claimed.attempt, **entry}
    if not kept:
        log_event(Event.LATE_ATTEMPT_REFUSED, **context)
    elif status == WebhookDelivery.Status.DELIVERED:
        log_event(Event.WEBHOOK_DELIVERED, level=logging.INFO, **context)
    elif status == WebhookDelivery.Status.PENDING:
        log_event(Event.WEBHOOK_FAILED, next_in_seconds=round(wait), **context)
    else:
        log_event(Event.WEBHOOK_GIVEN_UP, level=logging.ERROR, **context)
