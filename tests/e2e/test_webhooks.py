"""Webhooks of real jobs, from HTTP through workers and beat to a receiver on the loopback address.

The service of these tests may send to 127.0.0.2 (tests/e2e/conftest.py), so that 127.0.0.1 is as private as ever.
"""

import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from batch.webhooks.core.signing import InvalidSignature, verify
from tests.e2e.conftest import ALLOWED_RECEIVER, BATCH, submit, wait
from tests.receiver import Received, Reply, receiving

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
Login = Callable[[str], httpx.Client]


def hook(url: str) -> dict[str, str]:
    return {"url": url, "secret": SECRET}


def message(received: Received) -> dict[str, Any]:
    verify(SECRET, received.headers, received.body, now=time.time())
    return json.loads(received.body)


@pytest.fixture
def browser(address: str, passwords: dict[str, str]) -> httpx.Client:
    client = httpx.Client(base_url=address, follow_redirects=True)
    client.get("/admin/login/")
    form = {"username": "staff", "password": passwords["staff"], "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    client.post("/admin/login/?next=/admin/", data=form).raise_for_status()
    return client


def test_a_completed_job_tells_so_at_once_and_once(alice: httpx.Client) -> None:
    with receiving(host=ALLOWED_RECEIVER) as receiver:
        job = submit(alice, items=[KEY], webhook=hook(f"{receiver.address}/done?desk=7"))
        (received,) = receiver.wait(1, 5)
        job = wait(alice, job)
        time.sleep(1)
        assert len(receiver.received) == 1
    sent = message(received)
    assert (received.path, sent["type"]) == ("/done?desk=7", "batch.completed")
    data = sent["data"]
    assert (data["id"], data["status"], data["request_counts"]) == (job["id"], "completed", job["request_counts"])
    assert data["links"] == job["links"] and sent["timestamp"] == job["finished_at"]
    with pytest.raises(InvalidSignature):
        verify("whsec_" + "A" * 32, received.headers, received.body, now=time.time())


def test_the_secret_comes_back_nowhere(alice: httpx.Client, browser: httpx.Client) -> None:
    with receiving(host=ALLOWED_RECEIVER) as receiver:
        answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "items": [KEY], "webhook": hook(receiver.address)})
        receiver.wait(1, 5)
    job = answer.json()
    assert job["webhook_url"] == receiver.address
    pages = [
        answer.text,
        alice.get(job["links"]["self"]).text,
        alice.get(f"{BATCH}/jobs").text,
        browser.get(f"/admin/batch/job/{job['id']}/change/").text,
        browser.get("/admin/batch/webhookdelivery/").text,
    ]
    assert all(SECRET not in page and SECRET.removeprefix("whsec_") not in page for page in pages)


def test_failed_and_cancelled_jobs_tell_so_too(alice: httpx.Client) -> None:
    with receiving(host=ALLOWED_RECEIVER) as receiver:
        nifty = {"underlying": "SIM@NIFTY"}
        failed = submit(alice, selector=nifty, as_of="2020-01-01", webhook=hook(receiver.address))
        sent = message(receiver.wait(1, 5)[0])
        assert (sent["type"], sent["data"]["id"]) == ("batch.failed", failed["id"])
        assert sent["data"]["error"]
        cancelled = submit(alice, items=[KEY] * 60_000, reuse=False, webhook=hook(receiver.address))
        alice.post(cancelled["links"]["cancel"]).raise_for_status()
        sent = message(receiver.wait(2, 30)[1])
        assert (sent["type"], sent["data"]["id"]) == ("batch.cancelled", cancelled["id"])


def test_a_webhook_makes_a_small_request_a_job(alice: httpx.Client) -> None:
    with receiving(host=ALLOWED_RECEIVER) as receiver:
        answer = alice.post(f"{BATCH}/greeks", json={"items": [KEY], "webhook": hook(receiver.address)})
        assert answer.status_code == 202, answer.text
        assert message(receiver.wait(1, 5)[0])["data"]["id"] == answer.json()["id"]


def test_after_a_500_it_comes_again_and_the_admin_shows_both(alice: httpx.Client, browser: httpx.Client) -> None:
    with receiving(Reply(500, body=b"<b>out of order</b>"), Reply(200), host=ALLOWED_RECEIVER) as receiver:
        job = submit(alice, items=[KEY], webhook=hook(f"{receiver.address}/?token=s3same"))
        receiver.wait(1, 5)
        begun = time.monotonic()
        first, second = receiver.wait(2, 10)
        assert 3.5 < time.monotonic() - begun < 8  # due after 5 s, give or take a fifth
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body == (json.dumps(message(second), separators=(",", ":"))).encode()
    time.sleep(0.5)
    listing = browser.get("/admin/batch/webhookdelivery/", params={"status__exact": "delivered", "q": job["id"]}).text
    assert first.headers["webhook-id"] in listing and "1 webhook delivery" in listing
    for page in (f"job/{job['id']}", f"webhookdelivery/{first.headers['webhook-id']}"):
        text = browser.get(f"/admin/batch/{page}/change/").text
        assert re.search(r"\d\dZ 500 .* &lt;b&gt;out of order", text) and re.search(r"\d\dZ 200 ", text)
        assert "s3same" not in text and 'type="submit" value="Save"' not in text


def test_staff_send_again_what_was_given_up(alice: httpx.Client, browser: httpx.Client) -> None:
    with receiving(Reply(410), Reply(200), host=ALLOWED_RECEIVER) as receiver:
        wait(alice, submit(alice, items=[KEY], webhook=hook(receiver.address)))
        delivery = receiver.wait(1, 5)[0].headers["webhook-id"]
        form = {
            "action": "send_again",
            "_selected_action": delivery,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        time.sleep(0.5)
        assert "1 webhook(s) are sent again." in browser.post("/admin/batch/webhookdelivery/", data=form).text
        assert receiver.wait(2, 5)[1].headers["webhook-id"] == delivery
        time.sleep(0.5)
        assert "was not given up: it is delivered" in browser.post("/admin/batch/webhookdelivery/", data=form).text


def test_a_receiver_that_is_down_gets_it_once_it_is_up(alice: httpx.Client) -> None:
    with receiving(host=ALLOWED_RECEIVER) as receiver:
        port = receiver.port
    job = wait(alice, submit(alice, items=[KEY], webhook=hook(f"http://{ALLOWED_RECEIVER}:{port}/")))
    time.sleep(1)  # the first attempt fails
    with receiving(host=ALLOWED_RECEIVER, port=port) as receiver:
        (received,) = receiver.wait(1, 30)
    assert message(received)["data"]["id"] == job["id"]


@pytest.mark.parametrize(
    ("webhook", "field"),
    [
        ("http://example.com", "webhook"),
        ({"url": "https://example.com/"}, "webhook.secret"),
        ({"secret": SECRET}, "webhook.url"),
        ({**hook("https://example.com/"), "events": []}, "webhook.events"),
        ({"url": "https://example.com/", "secret": "hush"}, "webhook.secret"),
        ({"url": "https://example.com/", "secret": 7}, "webhook.secret"),
        (hook("ftp://example.com/"), "webhook.url"),
        (hook("https://me:word@example.com/"), "webhook.url"),
        (hook("https://example.com:22/"), "webhook.url"),
        (hook("http://169.254.169.254/latest/meta-data/"), "webhook.url"),
        (hook("http://127.0.0.1:6379/"), "webhook.url"),
        (hook("http://[::1]/"), "webhook.url"),
        (hook("http://[::ffff:127.0.0.2]/"), "webhook.url"),
        (hook("http://2130706433/"), "webhook.url"),
        (hook("http://localhost:8000/admin/"), "webhook.url"),
    ],
)
def test_what_is_refused_at_the_door(alice: httpx.Client, webhook: Any, field: str) -> None:
    answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "items": [KEY], "webhook": webhook})
    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert SECRET not in answer.text and "hush" not in answer.text


def test_a_name_that_leads_inside_is_refused_when_sending(alice: httpx.Client, browser: httpx.Client) -> None:
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, 80)
    except OSError:
        pytest.skip("this machine's own name can't be resolved")
    with receiving(host="0.0.0.0") as receiver:
        job = wait(alice, submit(alice, items=[KEY], webhook=hook(f"http://{name}:{receiver.port}/")))
        deadline = time.monotonic() + 10
        while "is not a public address" not in browser.get(f"/admin/batch/job/{job['id']}/change/").text:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert not receiver.received


def test_a_redirect_inside_is_not_followed(alice: httpx.Client, browser: httpx.Client) -> None:
    with receiving() as inner, receiving(Reply(307, {"Location": inner.address}), host=ALLOWED_RECEIVER) as outer:
        job = submit(alice, items=[KEY], webhook=hook(outer.address))
        outer.wait(1, 5)
        time.sleep(1)
        assert not inner.received
    assert re.search(r"\d\dZ 307 ", browser.get(f"/admin/batch/job/{job['id']}/change/").text)


def test_slow_receivers_do_not_keep_jobs_waiting(alice: httpx.Client) -> None:
    with receiving(Reply(before=6), host=ALLOWED_RECEIVER) as receiver:
        for _ in range(6):
            wait(alice, submit(alice, items=[KEY], webhook=hook(receiver.address)))
        begun = time.monotonic()
        for _ in range(3):
            wait(alice, submit(alice, items=[KEY] * 500, reuse=False))
        assert time.monotonic() - begun < 4
