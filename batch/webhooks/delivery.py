"""Deliver a webhook: one attempt, and the time of the next.

A receiver may get a message twice, under the same webhook-id. It never misses one without a row that says why.
"""

import random
import time
import uuid
from typing import Any

from django.conf import settings

from batch.webhooks import outbox
from batch.webhooks.core.addresses import ForbiddenAddress
from batch.webhooks.core.signing import signed_headers
from batch.webhooks.models import WebhookDelivery
from batch.webhooks.sending import Resolver, Unreachable, WebhookResponse, post, resolve, site_policy

BACKOFF_SECONDS = (5, 30, 120, 600, 3600, 18_000, 36_000, 86_400)  # the last one repeats
JITTER = 0.2  # of the backoff, either way: deliveries that failed together must not all retry together
LONGEST_RETRY_AFTER = 86_400
EXCERPT_CHARACTERS = 200
GONE = 410


def deliver(event_id: uuid.UUID, *, resolver: Resolver = resolve) -> bool:
    """Make one attempt and record its outcome. Return False if there was none to make."""
    claimed = outbox.claim(event_id)
    if claimed is None:
        return False
    if claimed.tried > settings.WEBHOOK_MAX_ATTEMPTS:  # the last attempt was lost with its worker
        outbox.record(claimed, WebhookDelivery.Status.FAILED, {"at": time.time(), "error": "no attempt is left"})
        return True
    response, entry = _send(claimed, resolver)
    if response is not None and _succeeded(response):
        outbox.record(claimed, WebhookDelivery.Status.DELIVERED, entry)
    elif claimed.tried >= settings.WEBHOOK_MAX_ATTEMPTS or (response is not None and response.status_code == GONE):
        outbox.record(claimed, WebhookDelivery.Status.FAILED, entry)
    else:
        wait = max(backoff_seconds(claimed.tried), _retry_after(response))
        outbox.record(claimed, WebhookDelivery.Status.PENDING, entry, wait)
    return True


def _send(claimed: outbox.DeliveryClaim, resolver: Resolver) -> tuple[WebhookResponse | None, dict[str, Any]]:
    """Return the response, if there was one, and the entry for the log."""
    body = claimed.payload.encode()
    begun = time.time()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "signal-service-webhook/1",
        **signed_headers(claimed.secret, str(claimed.event_id), int(begun), body),
    }
    response: WebhookResponse | None = None
    entry: dict[str, Any] = {"at": begun}
    try:
        response = post(claimed.url, headers, body, site_policy(), resolver=resolver)
        entry["status_code"] = response.status_code
        if not _succeeded(response):
            entry["body"] = response.body.decode("utf-8", "replace").replace("\0", "")[:EXCERPT_CHARACTERS]
    except (ForbiddenAddress, Unreachable) as error:
        entry["error"] = str(error)
    entry["seconds"] = round(time.time() - begun, 3)
    return response, entry


def _succeeded(response: WebhookResponse) -> bool:
    return 200 <= response.status_code < 300


def _retry_after(response: WebhookResponse | None) -> int:
    """Return the seconds that the receiver asked us to wait, or 0. A date is ignored: clocks differ."""
    asked = "" if response is None else response.headers.get("retry-after", "")
    return min(int(asked[:9]), LONGEST_RETRY_AFTER) if asked.isascii() and asked.isdigit() else 0


def backoff_seconds(tried: int) -> float:
    """Return how long to wait after this many failed attempts."""
    usual = BACKOFF_SECONDS[min(tried, len(BACKOFF_SECONDS)) - 1]
    return usual * random.uniform(1 - JITTER, 1 + JITTER)
