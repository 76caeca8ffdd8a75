"""Deliver webhooks to a real receiver on the loopback address, with the rows in PostgreSQL."""

import json
import threading
import time
import uuid
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from batch.jobs.webhook_events import publish_end
from batch.models import Job, WebhookDelivery, WebhookEvent
from batch.webhooks import delivery as webhooks
from batch.webhooks import outbox
from batch.webhooks.core.addresses import Policy
from batch.webhooks.core.signing import verify
from tests.receiver import Reply, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = Policy(allow_http=True, allowed=[ip_network("127.0.0.0/8")])


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = list(LOOPBACK.allowed)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("allowed")
class TestDelivery:
    def ended(self, url: str, status: str = "completed") -> WebhookDelivery:
        owner, _ = get_user_model().objects.get_or_create(username="alice")
        job = Job.objects.create(
            owner=owner,
            kind="greeks",
            status=status,
            total=3,
            completed=2,
            failed=1,
            webhook_url=url,
            webhook_secret=SECRET,
            finished_at=timezone.now(),
        )
        with transaction.atomic():
            publish_end(job.pk)
            publish_end(job.pk)  # a second call does nothing
        return WebhookDelivery.objects.select_related("event").get(event__subject_id=job.pk)

    def due_now(self, delivery: WebhookDelivery) -> None:
        WebhookDelivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())

    def test_a_message_is_signed_sent_once_and_logged(self) -> None:
        with receiving() as receiver:
            delivery = self.ended(receiver.address)
            assert outbox.find_due() == {delivery.pk: 0.0}
            assert webhooks.deliver(delivery.pk)
            assert not webhooks.deliver(delivery.pk)
        (received,) = receiver.received
        assert verify(SECRET, received.headers, received.body, now=time.time()) == str(delivery.pk)
        message = json.loads(received.body)
        assert (message["type"], message["data"]["status"]) == ("batch.completed", "completed")
        assert message["timestamp"] == message["data"]["finished_at"]
        assert message["data"]["id"] == delivery.event.subject_id
        assert message["data"]["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
        assert delivery.event.subject_id in message["data"]["links"]["results"]
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("delivered", 1)
        (entry,) = delivery.log
        assert entry["status_code"] == 204 and entry["seconds"] < 5 and abs(entry["at"] - time.time()) < 30
        assert outbox.find_due() == {}

    def test_only_an_ended_job_with_a_webhook_has_a_delivery(self) -> None:
        with pytest.raises(WebhookDelivery.DoesNotExist):
            self.ended("")
        with pytest.raises(WebhookDelivery.DoesNotExist):
            self.ended("http://127.0.0.1:9999/", status="in_progress")

    def test_a_delivery_lives_and_dies_with_the_transaction_that_ends_the_job(self) -> None:
        delivery = self.ended("http://127.0.0.1:9999/")
        delivery.event.delete()
        with pytest.raises(RuntimeError), transaction.atomic():
            publish_end(uuid.UUID(delivery.event.subject_id))
            assert WebhookDelivery.objects.exists()
            raise RuntimeError
        assert not WebhookDelivery.objects.exists()
        assert not WebhookEvent.objects.exists()

    def test_a_failure_is_tried_again_under_the_same_id_later_and_later(self) -> None:
        with receiving(Reply(500, body=b"broken \0"), Reply(302, {"Location": "/"}), Reply(200)) as receiver:
            delivery = self.ended(receiver.address)
            for usual in (5, 30):
                assert webhooks.deliver(delivery.pk)
                delivery.refresh_from_db()
                wait = (delivery.next_attempt_at - timezone.now()).total_seconds()
                assert usual * 0.8 - 1 < wait < usual * 1.2
                assert delivery.status == "pending" and outbox.find_due() == {}
                assert not webhooks.deliver(delivery.pk)  # not before its time
                self.due_now(delivery)
            assert webhooks.deliver(delivery.pk)
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("delivered", 3)
        assert [entry["status_code"] for entry in delivery.log] == [500, 302, 200]
        assert delivery.log[0]["body"] == "broken "
        assert {each.headers["webhook-id"] for each in receiver.received} == {str(delivery.pk)}
        for each in receiver.received:
            verify(SECRET, each.headers, each.body, now=time.time())

    def test_down_then_up(self) -> None:
        with receiving() as receiver:
            port = receiver.port
        delivery = self.ended(f"http://127.0.0.1:{port}/")
        webhooks.deliver(delivery.pk)
        delivery.refresh_from_db()
        assert delivery.status == "pending" and "ConnectError" in delivery.log[0]["error"]
        self.due_now(delivery)
        with receiving(port=port) as receiver:
            webhooks.deliver(delivery.pk)
        delivery.refresh_from_db()
        assert (delivery.status, len(receiver.received)) == ("delivered", 1)

    def test_given_up_after_the_last_attempt_or_when_gone(self, settings: Any) -> None:
        settings.WEBHOOK_MAX_ATTEMPTS = 2
        with receiving(Reply(500), Reply(500), Reply(410)) as receiver:
            stubborn, gone = self.ended(receiver.address), self.ended(receiver.address)
            for _ in range(3):
                webhooks.deliver(stubborn.pk)
                self.due_now(stubborn)
            webhooks.deliver(gone.pk)
        for delivery, attempts in ((stubborn, 2), (gone, 1)):
            delivery.refresh_from_db()
            assert (delivery.status, delivery.attempts, len(delivery.log)) == ("failed", attempts, attempts)
        assert len(receiver.received) == 3

    def test_what_falls_due_soon_is_found_with_the_time_until_then(self) -> None:
        delivery = self.ended("http://127.0.0.1:9999/")
        WebhookDelivery.objects.update(next_attempt_at=timezone.now() + timedelta(seconds=5))
        assert outbox.find_due() == outbox.find_due(ahead=4) == {}
        assert 4 < outbox.find_due(ahead=6)[delivery.pk] <= 5

    def test_one_that_was_given_up_can_be_sent_again_with_all_its_attempts(self, settings: Any) -> None:
        settings.WEBHOOK_MAX_ATTEMPTS = 2
        with receiving(*[Reply(500)] * 3, Reply(200)) as receiver:
            delivery = self.ended(receiver.address)
            assert not outbox.send_again(delivery.pk)  # it is still being tried
            for status in ("pending", "failed", "pending", "delivered"):
                if delivery.status == "failed":
                    assert outbox.send_again(delivery.pk)
                self.due_now(delivery)
                assert webhooks.deliver(delivery.pk)
                delivery.refresh_from_db()
                assert delivery.status == status
                assert (delivery.next_attempt_at - timezone.now()).total_seconds() < 5 * 1.2  # the first backoff
        assert not outbox.send_again(delivery.pk)
        assert (delivery.attempts, len(delivery.log)) == (4, 4)
        assert {each.headers["webhook-id"] for each in receiver.received} == {str(delivery.pk)}

    def test_the_receiver_may_ask_for_patience(self) -> None:
        with receiving(Reply(429, {"Retry-After": "900"}), Reply(503, {"Retry-After": "9" * 40})) as receiver:
            delivery = self.ended(receiver.address)
            for least, most in ((890, 901), (86_000, 86_401)):
                webhooks.deliver(delivery.pk)
                delivery.refresh_from_db()
                assert least < (delivery.next_attempt_at - timezone.now()).total_seconds() < most
                self.due_now(delivery)

    def test_two_workers_do_not_send_at_once(self) -> None:
        with receiving(Reply(before=0.5)) as receiver:
            delivery = self.ended(receiver.address)
            made: list[bool] = []

            def work() -> None:
                made.append(webhooks.deliver(delivery.pk))
                connection.close()

            threads = [threading.Thread(target=work) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(made) == [False] * 4 + [True]
        assert len(receiver.received) == 1

    def test_an_attempt_whose_worker_died_is_taken_over_and_its_late_outcome_refused(self) -> None:
        with receiving() as receiver:
            delivery = self.ended(receiver.address)
            dead = outbox.claim(delivery.pk)
            assert dead is not None
            assert outbox.find_due() == {} and not webhooks.deliver(delivery.pk)
            self.due_now(delivery)  # as if the lease had expired
            assert webhooks.deliver(delivery.pk)
            outbox.record(dead, WebhookDelivery.Status.FAILED, {"error": "too late"})
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts, len(delivery.log)) == ("delivered", 2, 2)
        assert "worker ended" in delivery.log[0]["error"]

    def test_a_worker_that_dies_in_the_last_attempt_leaves_no_delivery_open(self, settings: Any) -> None:
        settings.WEBHOOK_MAX_ATTEMPTS = 1
        delivery = self.ended("http://127.0.0.1:9999/")
        outbox.claim(delivery.pk)
        self.due_now(delivery)
        webhooks.deliver(delivery.pk)
        delivery.refresh_from_db()
        assert delivery.status == "failed"
        assert [entry["error"].partition(" ")[0] for entry in delivery.log] == ["the", "no"]

    def test_only_so_many_are_on_their_way(self, settings: Any) -> None:
        settings.WEBHOOK_CONCURRENCY = 2
        first, second, third = (self.ended("http://127.0.0.1:9999/") for _ in range(3))
        held = outbox.claim(first.pk)
        assert held and outbox.claim(second.pk) and outbox.claim(third.pk) is None
        assert outbox.find_due(1) == {third.pk: 0.0}
        outbox.record(held, WebhookDelivery.Status.PENDING, {"status_code": 500}, wait=60)
        assert outbox.claim(third.pk)

    def test_what_a_name_has_become_since_the_door_counts(self) -> None:
        with receiving() as receiver:
            delivery = self.ended(f"http://hooks.example.com:{receiver.port}/")
            webhooks.deliver(delivery.pk, resolver=lambda host, port: ["127.0.0.1", "10.0.0.1"])
        delivery.refresh_from_db()
        assert delivery.status == "pending" and delivery.log[0]["error"] == "10.0.0.1 is not a public address"
        assert not receiver.received

    def test_an_unknown_delivery_is_none(self) -> None:
        assert not webhooks.deliver(uuid.uuid4())
