"""Telling a caller that a job has ended: one attempt of a delivery, and when the next one is.

Whoever receives may get a message twice (under the same webhook-id), but never none without a row that says why.
"""

import random
import time
import uuid
from typing import Any

import orjson
from django.conf import settings

from batch.jobs.models import Job
from batch.jobs.serializers import JobSerializer
from batch.webhooks import outbox
from batch.webhooks.core.addresses import ForbiddenAddress
from batch.webhooks.core.signing import signed_headers
from batch.webhooks.models import WebhookDelivery
from batch.webhooks.sending import Answer, Resolver, Unreachable, post, resolve, site_policy

BACKOFF_SECONDS = (5, 30, 120, 600, 3600, 18_000, 36_000, 86_400)  # the last one again and again
JITTER = 0.2  # of the backoff, to either side: what failed together should not come back together
LONGEST_RETRY_AFTER = 86_400
EXCERPT_CHARACTERS = 200
GONE = 410
PAYLOAD_FIELDS = ("id", "kind", "status", "request_counts", "error", "created_at", "finished_at", "links")


def deliver(delivery_id: uuid.UUID, *, resolver: Resolver = resolve) -> bool:
    """Make one attempt and keep what came of it; False where there was none to make."""
    claimed = outbox.claim(delivery_id)
    if claimed is None:
        return False
    if claimed.tried > settings.WEBHOOK_MAX_ATTEMPTS:  # the last one was lost with its worker
        outbox.record(claimed, WebhookDelivery.Status.FAILED, {"at": time.time(), "error": "no attempt is left"})
        return True
    job = Job.objects.select_related("owner").defer("context").get(pk=claimed.job_id)
    answer, entry = _send(claimed, job, resolver)
    if answer is not None and _heard(answer):
        outbox.record(claimed, WebhookDelivery.Status.DELIVERED, entry)
    elif claimed.tried >= settings.WEBHOOK_MAX_ATTEMPTS or (answer is not None and answer.status_code == GONE):
        outbox.record(claimed, WebhookDelivery.Status.FAILED, entry)
    else:
        wait = max(backoff_seconds(claimed.tried), _retry_after(answer))
        outbox.record(claimed, WebhookDelivery.Status.PENDING, entry, wait)
    return True


def _send(claimed: outbox.Claim, job: Job, resolver: Resolver) -> tuple[Answer | None, dict[str, Any]]:
    """The answer, if one came, and the entry for the log."""
    body = payload(job)
    begun = time.time()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "signal-service-webhook/1",
        **signed_headers(job.webhook_secret, str(claimed.delivery_id), int(begun), body),
    }
    answer: Answer | None = None
    entry: dict[str, Any] = {"at": begun}
    try:
        answer = post(job.webhook_url, headers, body, site_policy(), resolver=resolver)
        entry["status_code"] = answer.status_code
        if not _heard(answer):
            entry["body"] = answer.body.decode("utf-8", "replace").replace("\0", "")[:EXCERPT_CHARACTERS]
    except (ForbiddenAddress, Unreachable) as error:
        entry["error"] = str(error)
    entry["seconds"] = round(time.time() - begun, 3)
    return answer, entry


def payload(job: Job) -> bytes:
    """The message: `batch.completed`, `batch.failed` or `batch.cancelled`, when that was, and the job in short."""
    whole = JobSerializer(job).data
    told = {name: whole[name] for name in PAYLOAD_FIELDS}
    return orjson.dumps({"type": f"batch.{job.status}", "timestamp": whole["finished_at"], "data": told})


def _heard(answer: Answer) -> bool:
    return 200 <= answer.status_code < 300


def _retry_after(answer: Answer | None) -> int:
    """Seconds that the receiver asked us to wait, 0 where it did not (or gave a date, which clocks disagree about)."""
    asked = "" if answer is None else answer.headers.get("retry-after", "")
    return min(int(asked[:9]), LONGEST_RETRY_AFTER) if asked.isascii() and asked.isdigit() else 0


def backoff_seconds(tried: int) -> float:
    """How long to wait after so many attempts have failed."""
    usual = BACKOFF_SECONDS[min(tried, len(BACKOFF_SECONDS)) - 1]
    return usual * random.uniform(1 - JITTER, 1 + JITTER)
