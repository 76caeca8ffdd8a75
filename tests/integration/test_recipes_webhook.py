"""The recipe of a webhook event, followed in a copy of the project: the event reaches a receiver, signed."""

import json
import time

from batch.webhooks.core.signing import verify
from tests.integration.recipes import Copy, follow
from tests.receiver import receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = """

def publish_accepted(job: Job) -> None:
    from batch.webhooks import outbox

    job.refresh_from_db()
    if job.webhook_url:
        outbox.publish(
            key=f"batch.job:{job.pk}:accepted",
            type="batch.accepted",
            subject=job,
            owner_id=job.owner_id,
            url=job.webhook_url,
            secret=job.webhook_secret,
            timestamp=job.created_at,
            data={"id": str(job.pk)},
        )
"""
CUT = "            cut(job, submission.items, settings.BATCH_SUBMIT_SECONDS)\n"
TEST = """

def test_an_accepted_job_has_an_event() -> None:
    assert callable(publish_accepted)
"""
SUBMIT = """
from batch.jobs.in_process_client import client
from batch.webhooks import delivery, outbox

with client() as api:
    job = api.submit(["NSE@NIFTY@equity_spot"], kind="quotes", webhook={"url": %r, "secret": %r})
(due,) = outbox.find_due()
print(job.id, due, delivery.deliver(due))
"""


def test_an_event(copy: Copy) -> None:
    with receiving() as receiver:
        copy.append("batch/jobs/webhook_events.py", EVENT)
        copy.edit("batch/jobs/services.py", CUT, CUT + "        webhook_events.publish_accepted(job)\n")
        copy.edit("batch/jobs/services.py", "from batch.jobs import ", "from batch.jobs import webhook_events, ")
        copy.append("tests/integration/test_webhooks.py", TEST)
        copy.append("docs/webhooks.md", "\n`batch.accepted` comes when a job has been kept.\n")
        copy.append("CHANGELOG.md", "- Webhook event `batch.accepted`.\n")
        follow(copy, "A webhook event", "accepted", {})
        copy.stays_within_the_layers()
        allowed = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
        printed = copy.manage("shell", "-v0", "-c", SUBMIT % (receiver.address, SECRET), **allowed)
    job, event, sent = printed.split()
    assert sent == "True"
    (received,) = receiver.received
    assert verify(SECRET, received.headers, received.body, now=time.time()) == event
    message = json.loads(received.body)
    assert (message["type"], message["data"]) == ("batch.accepted", {"id": job})
