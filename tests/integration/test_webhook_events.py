"""Publish, deliver, show and delete webhook events of any type, about any object."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client

from batch.jobs import retention
from batch.jobs.webhook_events import publish_end
from batch.models import Job, WebhookDelivery, WebhookEvent
from batch.webhooks import outbox
from batch.webhooks.core.signing import verify
from batch.webhooks.delivery import deliver
from tests.receiver import Reply, receiving

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime(2026, 11, 20, 9, 0, 0, 123456, UTC)


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def user() -> User:
    return get_user_model().objects.create_superuser("alice")


def publish(user: User, url: str, key: str = "password:1") -> None:
    """Publish a new type of event, about an object that is not a job."""
    outbox.publish(
        key=key,
        type="account.password_changed",
        subject=user,
        owner_id=user.pk,
        url=url,
        secret=SECRET,
        timestamp=AT,
        data={"name": "Zoë", "places": 2},
    )


def ended_job(user: User, url: str = "http://127.0.0.1:9999/?token=s3same") -> Job:
    job = Job.objects.create(
        owner=user, kind="greeks", status="completed", finished_at=AT, webhook_url=url, webhook_secret=SECRET
    )
    publish_end(job.pk)
    return job


def test_a_new_type_of_event_needs_no_job(user: User) -> None:
    with receiving(Reply(500), Reply(200)) as receiver:
        publish(user, receiver.address)
        delivery = WebhookDelivery.objects.get()
        assert outbox.find_due() == {delivery.pk: 0.0}
        assert deliver(delivery.pk)
        WebhookDelivery.objects.update(next_attempt_at=AT)
        assert deliver(delivery.pk)
    first, second = receiver.received
    assert first.body == second.body == (
        '{"type":"account.password_changed","timestamp":"2026-11-20T09:00:00.123456Z",'
        '"data":{"name":"Zoë","places":2}}'
    ).encode()  # fmt: skip
    for each in (first, second):
        assert verify(SECRET, each.headers, each.body, now=time.time()) == str(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 2)
    assert not Job.objects.exists()


def test_an_event_is_published_once_for_its_key(user: User) -> None:
    for key in ("password:1", "password:1", "password:2"):
        publish(user, "http://127.0.0.1:9999/", key)
    assert WebhookEvent.objects.count() == WebhookDelivery.objects.count() == 2


def test_simultaneous_publishers_publish_once(user: User) -> None:
    ready = threading.Barrier(6)

    def work() -> None:
        try:
            with transaction.atomic():
                ready.wait(10)
                publish(user, "http://127.0.0.1:9999/")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        for each in [threads.submit(work) for _ in range(6)]:
            each.result()
    assert WebhookEvent.objects.count() == WebhookDelivery.objects.count() == 1


def test_a_job_that_goes_takes_its_events_along_and_no_others(user: User, settings: Any) -> None:
    settings.JOB_RETENTION_DAYS = 0
    publish(user, "http://127.0.0.1:9999/")
    ended_job(user)
    assert retention.expire() == 1
    assert [event.type for event in WebhookEvent.objects.all()] == ["account.password_changed"]
    assert WebhookDelivery.objects.count() == 1
    user.delete()
    assert not WebhookEvent.objects.exists() and not WebhookDelivery.objects.exists()


class TestAdmin:
    @pytest.fixture
    def browser(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def test_a_delivery_links_to_what_its_event_is_about(self, browser: Client, user: User) -> None:
        publish(user, "http://127.0.0.1:9999/")
        job = ended_job(user)
        listing = browser.get("/admin/batch/webhookdelivery/").content.decode()
        assert f"/admin/batch/job/{job.pk}/change/" in listing
        assert f"/admin/auth/user/{user.pk}/change/" in listing
        assert "2 webhook deliveries" in listing

    def test_an_event_about_what_has_no_page_is_shown_without_a_link(self, browser: Client, user: User) -> None:
        publish(user, "http://127.0.0.1:9999/")
        WebhookEvent.objects.update(subject_model="moon.phase", subject_id="<full>")
        listing = browser.get("/admin/batch/webhookdelivery/")
        assert listing.status_code == 200 and "&lt;full&gt;" in listing.content.decode()

    @pytest.mark.parametrize("by", ["webhook", "subject", "url"])
    def test_a_delivery_is_found(self, browser: Client, user: User, by: str) -> None:
        publish(user, "http://127.0.0.1:9999/")
        job = ended_job(user)
        event = WebhookEvent.objects.get(subject_id=job.pk)
        asked = {"webhook": str(event.pk), "subject": str(job.pk), "url": "s3same"}[by]
        page = browser.get("/admin/batch/webhookdelivery/", {"q": asked})
        assert "1 webhook delivery" in page.content.decode()

    def test_a_jobs_page_shows_its_webhook_to_those_who_may_see_deliveries(self, browser: Client, user: User) -> None:
        job = ended_job(user)
        event = WebhookEvent.objects.get()
        deliver(event.pk)
        path = f"/admin/batch/job/{job.pk}/change/"
        page = browser.get(path).content.decode()
        assert f"/admin/batch/webhookdelivery/{event.pk}/change/" in page and "ConnectError" in page
        assert "s3same" not in page and SECRET not in page
        looks = User.objects.create_user("looks", is_staff=True)
        looks.user_permissions.add(Permission.objects.get(codename="view_job"))
        other = Client()
        other.force_login(looks)
        page = other.get(path)
        assert page.status_code == 200 and str(event.pk) not in page.content.decode()


def test_the_payload_is_the_jobs_own_answer_in_short(user: User) -> None:
    job = ended_job(user)
    client = Client()
    client.force_login(user)
    shown = client.get(f"/api/v2/signals/batch/jobs/{job.pk}").json()
    message = json.loads(WebhookEvent.objects.get().payload)
    assert list(message) == ["type", "timestamp", "data"]
    assert message["data"].items() <= shown.items()
    assert list(message["data"]) == [
        "id", "kind", "status", "request_counts", "error", "created_at", "finished_at", "links"
    ]  # fmt: skip


@pytest.mark.parametrize("log", ['"text"', "{}", "7", "null"])
def test_a_log_that_is_no_list_fails_no_claim(user: User, settings: Any, log: str) -> None:
    settings.WEBHOOK_CONCURRENCY = 9
    for number in range(2):
        publish(user, "http://127.0.0.1:9999/", key=f"password:{number}")
    odd, other = WebhookDelivery.objects.order_by("created_at")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE batch_webhookdelivery SET log = %s::jsonb, attempts = 1,"
            " next_attempt_at = now() + interval '1 hour' WHERE event_id = %s",
            [log, odd.pk],
        )
    assert outbox.claim(other.pk)
    WebhookDelivery.objects.filter(pk=odd.pk).update(next_attempt_at=AT)
    assert outbox.claim(odd.pk)
    odd.refresh_from_db()
    assert odd.log[-1] == {"error": "the worker ended before a response arrived"}
