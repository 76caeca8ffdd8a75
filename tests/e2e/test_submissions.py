"""Idempotent submissions, retries, reuse, estimates, and the limits of one caller."""

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import AT, BATCH, read, run, submit, wait

KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
NO_QUOTE = {"price": "settle"}  # which the simulated market lacks


def post(client: httpx.Client, body: Any, key: str | None = None, door: str = "jobs") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post(f"{BATCH}/{door}", json={"kind": "greeks", **body} if door == "jobs" else body, headers=headers)


class TestIdempotencyKey:
    def test_the_first_answer_is_replayed(self, alice: httpx.Client) -> None:
        body = {"items": [KEY], "params": {"rate": 0.01}}
        first = post(alice, body, "replayed")
        assert first.status_code == 202 and "Idempotency-Replayed" not in first.headers
        wait(alice, first.json())
        again = post(alice, dict(reversed(body.items())), "replayed")  # other order of fields
        assert again.status_code == 202
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["Location"] == first.headers["Location"]
        assert again.content == first.content

    def test_another_body_is_refused(self, alice: httpx.Client) -> None:
        assert post(alice, {"items": [KEY]}, "other body").status_code == 202
        answer = post(alice, {"items": [KEY, KEY]}, "other body")
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")

    def test_what_is_refused_leaves_the_key_free(self, alice: httpx.Client) -> None:
        assert post(alice, {"items": []}, "free").status_code == 400
        assert post(alice, {"items": [KEY]}, "free").status_code == 202

    def test_keys_are_each_users_own(self, alice: httpx.Client, login: Any) -> None:
        jobs = {post(login(name), {"items": [KEY]}, "own").json()["id"] for name in ("alice", "bob")}
        assert len(jobs) == 2

    def test_the_synchronous_door_replays_too(self, alice: httpx.Client) -> None:
        first, again = (post(alice, {"items": [KEY]}, "at once", door="greeks") for _ in range(2))
        assert first.status_code == again.status_code == 200
        assert again.headers["Idempotency-Replayed"] == "true" and again.content == first.content

    def test_fifty_at_once_make_one_job(self, address: str, alice: httpx.Client) -> None:
        before = alice.get(f"{BATCH}/statistics").json()["jobs"]["total"]
        with (
            httpx.Client(base_url=address, headers=alice.headers, timeout=60) as client,
            ThreadPoolExecutor(50) as pool,
        ):
            answers = list(pool.map(lambda _: post(client, {"items": [KEY] * 600}, "fifty"), range(50)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
        assert alice.get(f"{BATCH}/statistics").json()["jobs"]["total"] == before + 1
        assert wait(alice, answers[0].json())["status"] == "completed"

    @pytest.mark.parametrize("key", ["", "x" * 256])
    def test_unusable_keys(self, alice: httpx.Client, key: str) -> None:
        answer = post(alice, {"items": [KEY]}, key)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


class TestRetry:
    def test_items_that_can_be_helped_become_a_child_job(self, alice: httpx.Client) -> None:
        items = [
            {"instrument_key": KEY, "custom_id": "good", "price": 5000.0},
            {"instrument_key": KEY, "custom_id": "later", "rate": 0.02},
            {"instrument_key": "nonsense", "custom_id": "never"},
        ]
        job, rows = run(alice, items=items, params=NO_QUOTE)
        assert [row["status"] for row in rows] == ["ok", "no_price", "bad_input"]
        answer = alice.post(job["links"]["retry"])
        assert answer.status_code == 202
        child = wait(alice, answer.json())
        assert child["retry_of"] == job["id"] and child["as_of"] == job["as_of"]
        (row,) = read(alice, child)
        assert (row["custom_id"], row["rate"], row["status"]) == ("later", 0.02, "no_price")
        unchanged = alice.get(job["links"]["self"]).json()
        assert (unchanged["status"], unchanged["finished_at"]) == ("completed", job["finished_at"])

    def test_a_cancelled_job_is_taken_up_where_it_was_left(self, alice: httpx.Client) -> None:
        job = submit(alice, items=[KEY] * 40_000, reuse=False)
        while not job["request_counts"]["completed"]:
            time.sleep(0.02)
            job = alice.get(job["links"]["self"]).json()
        job = wait(alice, alice.post(job["links"]["cancel"]).json())
        left = sum(row["status"] == "cancelled" for row in read(alice, job, status="cancelled", limit=10_000))
        child = wait(alice, alice.post(job["links"]["retry"]).json())
        assert child["request_counts"] == {"total": left, "completed": left, "failed": 0}

    def test_nothing_to_retry_is_a_conflict(self, alice: httpx.Client) -> None:
        job, _ = run(alice, items=[KEY])
        answer = alice.post(job["links"]["retry"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")


class TestReuse:
    def test_the_same_inputs_are_answered_from_the_earlier_job(self, alice: httpx.Client) -> None:
        items = [{"instrument_key": KEY, "custom_id": str(n), "volatility": 0.1 + n / 1e5} for n in range(2000)]
        first, rows = run(alice, items=items)
        again, same = run(alice, items=items)
        assert first["reused_from"] is None
        assert again["reused_from"] == first["id"] and again["id"] != first["id"]
        assert same == rows
        assert again["request_counts"] == first["request_counts"]
        third, _ = run(alice, items=items, reuse=False)
        assert third["reused_from"] is None

    def test_other_parameters_items_or_instants_are_other_inputs(self, alice: httpx.Client) -> None:
        run(alice, items=[KEY], params={"rate": 0.033})
        for other in ({"items": [KEY], "params": {"rate": 0.034}}, {"items": [KEY, KEY], "params": {"rate": 0.033}}):
            assert run(alice, **other)[0]["reused_from"] is None
        job, _ = run(alice, items=[KEY], params={"rate": 0.033}, as_of="2026-03-02T05:30:01Z")
        assert job["reused_from"] is None

    def test_another_owners_job_is_not_reused(self, alice: httpx.Client, login: Any) -> None:
        body = {"items": [KEY], "params": {"rate": 0.0444}}
        run(login("bob"), **body)
        assert run(alice, **body)[0]["reused_from"] is None


def test_a_dry_run_validates_and_estimates_and_keeps_nothing(alice: httpx.Client) -> None:
    before = alice.get(f"{BATCH}/statistics").json()["jobs"]["total"]
    answer = post(alice, {"items": [KEY] * 2999 + [{"instrument_key": 3}], "dry_run": True})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["total"], found["chunk_size"], found["chunks"], found["refused_count"]) == (3000, 500, 6, 1)
    (refused,) = found["refused"]
    assert refused["position"] == 2999
    assert refused["reason"].startswith("instrument_key must be a string of 1 to 120 characters; an item has ")
    assert 0 < found["estimated_seconds"] < 60
    selected = post(alice, {"selector": {"underlying": "SIM@NIFTY"}, "as_of": AT, "dry_run": True}).json()
    assert selected["total"] > 1000 and selected["as_of"].startswith("2026-03-02T05:30:00")
    assert post(alice, {"items": [], "dry_run": True}).status_code == 400
    assert alice.get(f"{BATCH}/statistics").json()["jobs"]["total"] == before


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Made before the clock starts: packing it takes longer than refusing it."""
    return gzip.compress(b" " * (257 << 20))


class TestLimits:
    """Each gets a 4xx in problem+json within a second."""

    @pytest.fixture(autouse=True)
    def quickly(self) -> Any:
        begun = time.perf_counter()
        yield
        assert time.perf_counter() - begun < 4

    def refuse(self, client: httpx.Client, content: bytes, status: int, **headers: str) -> None:
        begun = time.perf_counter()
        answer = client.post(f"{BATCH}/jobs", content=content, headers={"Content-Type": "application/json", **headers})
        assert answer.status_code == status, answer.text[:500]
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert time.perf_counter() - begun < 1.5

    def test_too_many_items(self, alice: httpx.Client) -> None:
        self.refuse(alice, json.dumps({"kind": "greeks", "items": [KEY[:3]] * 1_000_001}).encode(), 400)

    def test_nesting(self, alice: httpx.Client) -> None:
        self.refuse(alice, b"[" * 200_000 + b"]" * 200_000, 400)
        self.refuse(alice, b'{"kind":"greeks","selector":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", 400)

    def test_not_a_number(self, alice: httpx.Client) -> None:
        for text in (b"NaN", b"Infinity", b"-Infinity", b"1e400"):
            self.refuse(alice, b'{"kind":"greeks","items":[{"instrument_key":"x","price":' + text + b"}]}", 400)

    def test_a_body_that_unpacks_to_more_than_the_limit(self, alice: httpx.Client, bomb: bytes) -> None:
        assert len(bomb) < 300_000
        self.refuse(alice, bomb, 413, **{"Content-Encoding": "gzip"})

    def test_broken_and_unknown_encodings(self, alice: httpx.Client) -> None:
        whole = gzip.compress(json.dumps({"kind": "greeks", "items": [KEY]}).encode())
        self.refuse(alice, whole[:-9], 400, **{"Content-Encoding": "gzip"})
        self.refuse(alice, b"plain", 400, **{"Content-Encoding": "gzip"})
        self.refuse(alice, whole, 415, **{"Content-Encoding": "br"})
        answer = alice.post(
            f"{BATCH}/jobs", content=whole, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )
        assert answer.status_code == 202
