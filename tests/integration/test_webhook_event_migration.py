"""The migration to webhook events: deliveries of earlier versions continue unchanged."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import orjson
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from batch.jobs.serializers import JobSerializer
from batch.models import Job, WebhookDelivery, WebhookEvent
from batch.webhooks import outbox
from batch.webhooks.core.signing import verify
from batch.webhooks.delivery import deliver
from tests.receiver import Reply, receiving

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FIELDS = ("id", "kind", "status", "request_counts", "error", "created_at", "finished_at", "links")
LANDED = ["0002_webhooks_sent_again", "0004_after_repair", "0005_answers_as_blocks"]


@pytest.fixture
def before(request: Any) -> Iterator[Any]:
    """Create the tables of an earlier landing, and yield its models."""
    landing = ("batch", request.param)
    tables = ", ".join(name for name in connection.introspection.table_names() if name.startswith("batch_"))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {tables} CASCADE")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'batch'")
    MigrationExecutor(connection).migrate([landing])
    yield MigrationExecutor(connection).loader.project_state([landing]).apps
    call_command("migrate", verbosity=0)


def ended(apps: Any, owner: int, url: str, status: str = "completed", **values: Any) -> Any:
    """Create an ended job of the earlier version, and return its delivery."""
    moment = datetime(2026, 11, 20, 9, 0, 0, 0 if status == "failed" else 123456, UTC)
    job = apps.get_model("batch", "Job").objects.create(
        owner_id=owner,
        kind="greeks",
        status=status,
        total=3,
        completed=2,
        failed=1,
        error='no "quote" of Zoë\n\x1f' if status == "failed" else "",
        webhook_url=url,
        webhook_secret=SECRET,
        created_at=moment,
        finished_at=moment,
    )
    return apps.get_model("batch", "WebhookDelivery").objects.create(job=job, **values)


def body_of_the_earlier_version(job_id: uuid.UUID) -> bytes:
    """Return the message that the earlier version built from the job at each attempt."""
    whole = JobSerializer(Job.objects.get(pk=job_id)).data
    data = {name: whole[name] for name in FIELDS}
    return orjson.dumps({"type": f"batch.{whole['status']}", "timestamp": whole["finished_at"], "data": data})


@pytest.mark.parametrize("before", LANDED, indirect=True)
def test_deliveries_go_on_under_their_ids_with_the_same_bytes(before: Any, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    owner = get_user_model().objects.create_user("old-hand").pk
    log = [{"at": 1795246800.5, "status_code": 500, "seconds": 0.1, "body": "<b>out of order</b>"}]
    with receiving(Reply(200)) as receiver:
        waiting = [
            ended(before, owner, f"{receiver.address}/?token=1", status, attempts=1, log=log)
            for status in ("completed", "failed", "cancelled")
        ]
        given_up = ended(before, owner, receiver.address, status="completed", attempts=10)
        before.get_model("batch", "WebhookDelivery").objects.filter(pk=given_up.pk).update(status="failed")
        done = ended(before, owner, receiver.address, status="completed", attempts=1, log=log)
        before.get_model("batch", "WebhookDelivery").objects.filter(pk=done.pk).update(status="delivered")

        call_command("migrate", verbosity=0)
        call_command("migrate", verbosity=0)  # a second run has nothing to do

        assert set(outbox.find_due()) == {each.pk for each in waiting}
        for each in waiting:
            assert deliver(each.pk)
        assert not deliver(given_up.pk) and not deliver(done.pk)
        assert outbox.send_again(given_up.pk) and deliver(given_up.pk)
    assert len(receiver.received) == 4
    for each, received in zip([*waiting, given_up], receiver.received, strict=True):
        assert received.headers["webhook-id"] == str(each.pk)
        assert received.body == body_of_the_earlier_version(each.job_id)
        verify(SECRET, received.headers, received.body, now=time.time())
        event = WebhookEvent.objects.get(pk=each.pk)
        assert (event.subject_model, event.subject_id) == ("batch.job", str(each.job_id))
        assert (event.key, event.owner_id, event.created_at) == (
            f"batch.job:{each.job_id}:ended", owner, each.created_at
        )  # fmt: skip
    assert receiver.received[0].path == "/?token=1"
    kept = WebhookDelivery.objects.get(pk=waiting[0].pk)
    assert (kept.attempts, kept.log[0], kept.log[1]["status_code"]) == (2, log[0], 200)
    assert WebhookDelivery.objects.get(pk=done.pk).log == log
    assert WebhookEvent.objects.count() == WebhookDelivery.objects.count() == 5


@pytest.mark.parametrize("before", LANDED[-1:], indirect=True)
def test_more_deliveries_than_it_reads_at_once(before: Any) -> None:
    owner = get_user_model().objects.create_user("old-hand").pk
    job = ended(before, owner, "https://example.com/")
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO batch_job (id, owner_id, kind, status, params, context, error, attempts, chunk_size, total,
                   completed, failed, reuse, request_digest, webhook_url, webhook_secret, finished_at)
               SELECT gen_random_uuid(), owner_id, kind, status, params, context, error, attempts, chunk_size, total,
                   completed, failed, reuse, request_digest, webhook_url, webhook_secret, finished_at
               FROM batch_job, generate_series(1, 2500)"""
        )
        cursor.execute(
            """INSERT INTO batch_webhookdelivery (id, job_id, status, attempts, attempts_before, log)
               SELECT gen_random_uuid(), id, 'pending', 0, 0, '[]' FROM batch_job WHERE id <> %s""",
            [job.job_id],
        )
    call_command("migrate", verbosity=0)
    assert WebhookEvent.objects.count() == WebhookDelivery.objects.count() == 2501
    assert len(outbox.find_due(5000)) == 2501
