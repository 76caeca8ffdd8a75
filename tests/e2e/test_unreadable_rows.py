"""Rows of an earlier version, or unreadable ones, are shown as unreadable and affect no other row."""

import json
from typing import Any

import httpx
import pytest
from django.conf import settings

from signalsite.foundation.redis import client as redis_client
from tests.e2e.conftest import BATCH, read, run, succeed, wait
from tests.e2e.sockets import V2, Socket, connect

KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
HUGE = "1" + "0" * 5000  # jsonb stores it, but neither float nor Python's int() accepts it
# Jobs of alice: the stored JSON, and the differences from a new job.
ROWS: dict[str, dict[str, Any]] = {
    "beyond 64 bits": {"selector": '{"underlying": "SIM@NIFTY", "strike": {"max": 100000000000000000000}}'},
    "beyond floats": {"selector": f'{{"underlying": "SIM@NIFTY", "strike": {{"max": {HUGE}}}}}'},
    "parameters": {"params": f'{{"rate": {HUGE}}}', "status": "completed"},
    "items": {"items": "no block"},
    "answers": {"items": "a block", "status": "completed"},
    "context": {"items": "a block", "context": f'{{"x": {HUGE}}}', "status": "in_progress"},
    "old": {"selector": f'{{"x": {HUGE}}}', "status": "failed", "days": 400},
}
_INSERT = """
import json, os
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone
from batch.jobs.core.items import Items
from batch.models import Chunk, Job
from batch.jobs.retention import expire
from batch.tasks import enqueue_chunks, enqueue_job
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import params_serializer
params = params_serializer(computations()["greeks"])(data={})
params.is_valid(raise_exception=True)
owner, made = get_user_model().objects.get(username="alice"), {"worked": {}, "waiting": {}}
rows = json.loads(os.environ["ROWS"]).items()
with transaction.atomic(), connection.cursor() as cursor:
    for found, name, row in [(found, *each) for found in made.values() for each in rows]:
        status, at = row.get("status", "validating"), timezone.now() - timedelta(days=row.get("days", 0))
        job = Job.objects.create(
            owner=owner, kind="greeks", status=status, params=params.validated_data, created_at=at, started_at=at,
            as_of=timezone.datetime.fromisoformat("2026-03-02T05:30:00+00:00"), total=2 if "items" in row else 0,
            chunk_size=500, finished_at=at if status in Job.TERMINAL else None,
        )
        found[name] = str(job.pk)
        for column in ("params", "selector", "context"):
            if column in row:
                cursor.execute(f"UPDATE batch_job SET {column} = %s::jsonb WHERE id = %s", [row[column], job.pk])
        if "items" in row:
            block = Items([os.environ["KEY"]] * 2, [None] * 2).to_block() if row["items"] == "a block" else b"none"
            done = {"status": "done", "rows": 2, "status_counts": {"ok": 1, "no_price": 1}, "answer_block": b"none"}
            more = done if name == "answers" else {}
            Chunk.objects.create(job=job, number=0, first_position=0, size=2, item_block=block, **more)
for job in Job.objects.filter(pk__in=made["worked"].values()):
    if job.status == "validating":
        enqueue_job(job.pk)
    elif job.status == "in_progress":
        enqueue_chunks(job.chunks.values_list("pk", flat=True))
expire()
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def ids(address: str) -> dict[str, dict[str, str]]:
    """Insert the jobs into the tables, because the API refuses them: once with tasks, once without."""
    printed = succeed("shell", "-v0", "-c", _INSERT, ROWS=json.dumps(ROWS), KEY=KEY)
    found: dict[str, dict[str, str]] = json.loads(printed.splitlines()[0])  # log lines follow
    return found


@pytest.fixture
def poisoned(ids: dict[str, dict[str, str]]) -> dict[str, str]:
    return ids["worked"]


def shown(client: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"{BATCH}/jobs/{job_id}")
    assert answer.status_code == 200, answer.text[:300]
    return answer.json()


def test_owner_and_staff_can_cancel_them(login: Any, ids: dict[str, dict[str, str]]) -> None:
    for who, name in (
        ("alice", "beyond floats"),
        ("staff", "beyond 64 bits"),
        ("alice", "items"),
        ("staff", "context"),
    ):
        client = login(who)
        answer = client.post(f"{BATCH}/jobs/{ids['waiting'][name]}/cancel")
        assert answer.status_code == 202, (name, answer.text[:300])
        assert wait(client, answer.json())["status"] == "cancelled"
    answer = login("alice").post(f"{BATCH}/jobs/{ids['waiting']['parameters']}/retry")
    assert answer.status_code == 409 and "params" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["alice", "staff"])
def test_a_list_shows_them_with_the_reason_and_their_neighbours(
    login: Any, ids: dict[str, dict[str, str]], name: str
) -> None:
    poisoned = ids["worked"]
    neighbour, _ = run(login("alice"), items=[KEY])
    page = login(name).get(f"{BATCH}/jobs", params={"limit": 200})
    assert page.status_code == 200
    listed = {each["id"]: each for each in page.json()["results"]}
    for row in ("beyond floats", "parameters"):
        (field,) = {"selector", "params"} & ROWS[row].keys()
        (why,) = listed[poisoned[row]]["unreadable"]
        assert why["field"] == field and "number" in why["detail"]
        assert listed[poisoned[row]][field] is None
        assert shown(login(name), poisoned[row])["unreadable"] == [why]
    whole = listed[poisoned["beyond 64 bits"]]
    assert whole["selector"]["strike"]["max"] == 1e20 and whole["unreadable"] == []
    assert listed[neighbour["id"]]["unreadable"] == [] and listed[neighbour["id"]]["params"]


def test_a_number_that_a_float_holds_is_computed_with(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    job = wait(alice, shown(alice, poisoned["beyond 64 bits"]))
    assert job["status"] == "completed" and job["request_counts"]["completed"] > 1000


def test_what_cannot_be_read_fails_with_its_reason(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    job = wait(alice, shown(alice, poisoned["beyond floats"]))
    assert job["status"] == "failed" and job["error"].startswith("the stored selector cannot be read: number")


def test_items_that_cannot_be_read_are_answered_so(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    job = wait(alice, shown(alice, poisoned["items"]))
    assert job["status"] == "completed"
    rows = read(alice, job)
    assert [(row["position"], row["status"]) for row in rows] == [(0, "bad_input"), (1, "bad_input")]
    assert all("stored item cannot be read" in row["reason"] for row in rows)


def test_answers_that_cannot_be_read_say_so(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    job = shown(alice, poisoned["answers"])
    rows = read(alice, job)
    assert [(row["position"], row["status"]) for row in rows] == [(0, "internal_error"), (1, "internal_error")]
    assert all(row["reason"] == "the stored answer cannot be read" for row in rows)
    for format_ in ("ndjson", "csv", "parquet", "arrow"):
        assert alice.get(job["links"]["export"], params={"format": format_}).status_code == 200
    assert alice.post(job["links"]["retry"]).status_code == 409


def test_a_receipt_that_cannot_be_read_is_empty(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    answer = alice.get(f"{BATCH}/jobs/{poisoned['context']}/receipt")
    assert (answer.status_code, answer.json()["forwards"]) == (200, [])


def test_the_admin_shows_them(browser: httpx.Client, poisoned: dict[str, str]) -> None:
    listing = browser.get("/admin/batch/job/")
    assert listing.status_code == 200 and poisoned["beyond floats"] in listing.text
    for job_id in (
        poisoned[name] for name in ("beyond floats", "beyond 64 bits", "parameters", "items", "answers", "context")
    ):
        page = browser.get(f"/admin/batch/job/{job_id}/change/")
        assert page.status_code == 200 and job_id in page.text
    assert "unreadable: number" in browser.get(f"/admin/batch/job/{poisoned['beyond floats']}/change/").text


def test_a_socket_tells_their_progress(address: str, alice: httpx.Client, poisoned: dict[str, str]) -> None:
    bearer = alice.headers["Authorization"].split()[1]
    url = f"{address.replace('http', 'ws', 1)}{V2}"
    with Socket(connect(url, compression=None, legacy=True, subprotocols=["signals", f"bearer.{bearer}"])) as socket:
        socket.next("welcome")
        topics = [f"job:{poisoned[name]}" for name in ("beyond floats", "beyond 64 bits", "parameters")]
        assert all(item["ok"] for item in socket.subscribe(*topics)["items"])
        states = [socket.next("snapshot")["data"] for _ in topics]
        assert {f"job:{state['id']}" for state in states} == set(topics)


def test_retention_removes_them(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    assert alice.get(f"{BATCH}/jobs/{poisoned['old']}").status_code == 404
    assert alice.get(f"{BATCH}/jobs/{poisoned['parameters']}").status_code == 200


def test_a_live_state_that_is_none_says_so(alice: httpx.Client) -> None:
    """An earlier version published this without escaping. A valid state stands beside it."""
    live, good, bad = "/api/v2/signals/realtime", "CBOE@VIX@equity_options@2099-03-18@call@20", ""
    bad = good.replace("call", "put")
    state = {"instrument_key": good, "entry_id": "1-1", "time": "2026-03-02T05:30:00+00:00", "tick": {"ltp": "1.5"}}
    broken = b'{"instrument_key":"x","time":"2026-12-01T10:00:00"+05:30","tick":{}}'
    whole = json.dumps({**state, "as_of": state["time"], "greeks": None}, separators=(",", ":"))
    redis_client(settings.REDIS_URL).hset("latest:CBOE@VIX", mapping={good: whole, bad: broken})
    try:
        found = alice.post(f"{live}/greeks", json={"instrument_keys": [bad, good]}).json()["data"]
        assert (found[0]["status"], found[0]["instrument_key"]) == ("unreadable", bad)
        assert found[1]["tick"]["ltp"] == "1.5"
        assert alice.get(f"{live}/greeks/{bad}").json()["status"] == "unreadable"
        (row,) = alice.get(f"{live}/chain/CBOE@VIX").raise_for_status().json()["strikes"]
        assert row["call"]["instrument_key"] == good and row["put"]["status"] == "unreadable"
    finally:
        redis_client(settings.REDIS_URL).delete("latest:CBOE@VIX")


def test_a_context_that_cannot_be_read_ends_its_chunk(alice: httpx.Client, poisoned: dict[str, str]) -> None:
    job = wait(alice, shown(alice, poisoned["context"]))
    assert job["status"] == "completed"
    assert {row["status"] for row in read(alice, job)} == {"internal_error"}
