"""Webhooks against a real receiver on the loopback address, with the rows in PostgreSQL."""

import json
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from batch import outbox, webhooks
from batch.core.addresses import ForbiddenAddress, Policy
from batch.core.signing import verify
from batch.models import Job, WebhookDelivery
from batch.sending import MOST_READ_BYTES, Unreachable, post
from tests.receiver import Receiver, Reply, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = Policy(allow_http=True, allowed=[ip_network("127.0.0.0/8")])


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = list(LOOPBACK.allowed)


def send(url: str, policy: Policy = LOOPBACK, **options: Any) -> Any:
    return post(url, {"X-Test": "1"}, b"{}", policy, **options)


class TestSending:
    """One POST; no database."""

    def test_the_request_as_it_arrives(self) -> None:
        with receiving(Reply(201, {"Retry-After": "7"}, b"thanks")) as receiver:
            answer = send(f"{receiver.address}/hook?a=b%20c")
        (received,) = receiver.received
        assert (answer.status_code, answer.headers["retry-after"], answer.body) == (201, "7", b"thanks")
        assert (received.path, received.body, received.headers["X-Test"]) == ("/hook?a=b%20c", b"{}", "1")
        assert received.headers["Host"] == f"127.0.0.1:{receiver.port}"

    def test_a_name_is_resolved_once_and_kept_in_the_host_header(self) -> None:
        asked: list[str] = []

        def resolver(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.2"] if len(asked) == 1 else ["10.0.0.1"]  # as whoever rebinds a name would

        with receiving(host="127.0.0.2") as receiver:
            send(f"http://hooks.example.com:{receiver.port}/", resolver=resolver)
        assert asked == ["hooks.example.com"]
        assert receiver.received[0].headers["Host"] == f"hooks.example.com:{receiver.port}"

    @pytest.mark.parametrize(
        "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1"], ["169.254.169.254"]]
    )
    def test_a_name_with_any_private_address_is_refused(self, addresses: list[str]) -> None:
        with receiving() as receiver, pytest.raises(ForbiddenAddress, match="not a public address"):
            url = f"http://hooks.example.com:{receiver.port}/"
            send(url, Policy(allow_http=True), resolver=lambda host, port: addresses)
        assert not receiver.received

    def test_the_systems_own_resolver_is_checked_too(self) -> None:
        name = socket.gethostname()
        with receiving() as receiver, pytest.raises((ForbiddenAddress, Unreachable)):
            send(f"http://{name}:{receiver.port}/", Policy(allow_http=True))
        assert not receiver.received

    def test_the_next_address_is_tried(self) -> None:
        with receiving(host="127.0.0.2") as receiver:
            url = f"http://hooks.example.com:{receiver.port}/"
            assert send(url, resolver=lambda host, port: ["127.0.0.3", "127.0.0.2"]).status_code == 204

    def test_a_redirect_is_not_followed(self) -> None:
        with receiving() as inner:
            with receiving(Reply(302, {"Location": f"{inner.address}/secret"})) as outer:
                assert send(outer.address).status_code == 302
            assert not inner.received

    def test_the_proxies_of_the_environment_are_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with receiving() as proxy, receiving() as receiver:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.address)
            assert send(receiver.address).status_code == 204
        assert (len(proxy.received), len(receiver.received)) == (0, 1)

    def test_of_a_huge_body_little_is_read(self) -> None:
        with receiving(Reply(500, body=b"x" * (256 << 20))) as receiver:
            answer = send(receiver.address)
        assert (answer.status_code, len(answer.body)) == (500, MOST_READ_BYTES)
        assert receiver.bytes_sent < 32 << 20  # what the sockets' buffers took

    @pytest.mark.parametrize("reply", [Reply(before=30), Reply(trickle=0.2)])
    def test_a_slow_receiver_has_its_time_and_no_more(self, reply: Reply) -> None:
        with receiving(reply) as receiver:
            begun = time.monotonic()
            with pytest.raises(Unreachable, match="Timeout"):
                send(receiver.address, total_seconds=1.0)
            assert 0.9 < time.monotonic() - begun < 2

    def test_a_slow_body_changes_nothing_about_the_status(self) -> None:
        with receiving(Reply(200, body=b"x" * 1000, trickle=0.01)) as receiver:
            answer = send(receiver.address, total_seconds=1.5)
        assert answer.status_code == 200 and 0 < len(answer.body) < 1000

    def test_a_slow_resolver_has_its_time_too(self) -> None:
        release = threading.Event()
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="not resolved in time"):
            send("http://hooks.example.com/", resolver=lambda *_: [str(release.wait(20))], total_seconds=0.5)
        release.set()
        assert time.monotonic() - begun < 2

    def test_who_is_not_there_or_speaks_no_http(self) -> None:
        with receiving() as receiver:
            address = receiver.address
        with pytest.raises(Unreachable, match="ConnectError"):
            send(address)
        with pytest.raises(Unreachable, match="not resolved"):
            send("http://no-such-name.invalid/")
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-x\r\n" * 50))
            thread.start()
            with pytest.raises(Unreachable):
                send(f"http://127.0.0.1:{server.getsockname()[1]}/")
            thread.join()


class TestTLS:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        path = tmp_path / "hooks.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=hooks.example.com", "-addext", "subjectAltName=DNS:hooks.example.com"]
        try:
            subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
        return path

    @pytest.fixture
    def receiver(self, certificate: Path) -> Iterator[Receiver]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with receiving(tls=context) as receiver:
            yield receiver

    def test_the_certificate_is_checked_against_the_name_not_the_address(
        self, receiver: Receiver, certificate: Path
    ) -> None:
        trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
        options: dict[str, Any] = {"resolver": lambda host, port: ["127.0.0.1"], "tls": trusting}
        assert send(f"https://hooks.example.com:{receiver.port}/", **options).status_code == 204
        with pytest.raises(Unreachable, match="Hostname mismatch"):
            send(f"https://other.example.com:{receiver.port}/", **options)

    def test_a_certificate_of_nobodys_is_refused(self, receiver: Receiver) -> None:
        with pytest.raises(Unreachable, match="self-signed"):
            send(f"https://hooks.example.com:{receiver.port}/", resolver=lambda host, port: ["127.0.0.1"])
        assert not receiver.received


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
            outbox.enqueue(job.pk)
            outbox.enqueue(job.pk)  # twice is once
        return WebhookDelivery.objects.get(job=job)

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
        assert message["data"]["id"] == str(delivery.job_id)
        assert message["data"]["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
        assert str(delivery.job_id) in message["data"]["links"]["results"]
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
        delivery.delete()
        with pytest.raises(RuntimeError), transaction.atomic():
            outbox.enqueue(delivery.job_id)
            assert WebhookDelivery.objects.exists()
            raise RuntimeError
        assert not WebhookDelivery.objects.exists()

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
            self.due_now(delivery)  # the lease has run out
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
