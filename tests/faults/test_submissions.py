"""Processes die while a large submission is stored: all of it is stored, or nothing."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from tests.faults.site import BATCH, Site, until

COUNT = 60_000
RECOVERY = 30.0
_KEEPING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO \"batch_chunk\"%%' AND state <> 'idle'"
_LEFT = "SELECT (SELECT count(*) FROM batch_job), (SELECT count(*) FROM batch_chunk)"


@pytest.fixture
def slow_chunks(site: Site) -> Iterator[None]:
    """Have PostgreSQL take a tenth of a second to store each chunk."""
    site.rows(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$;"
        "CREATE TRIGGER linger BEFORE INSERT ON batch_chunk FOR EACH ROW EXECUTE FUNCTION linger()"
    )
    yield
    site.rows("DROP FUNCTION IF EXISTS linger CASCADE")


class Submission:
    """Start a submission of COUNT items under a key."""

    def __init__(self, site: Site, key: str) -> None:
        self._site, self._key = site, key
        self.answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        try:
            self.answer = self.send()
        except httpx.HTTPError:  # the web process has died
            self.answer = None

    def send(self) -> httpx.Response:
        body = {"kind": "greeks", "items": self._site.items(COUNT), "reuse": False}
        address, headers = self._site.address, {**self._site.client.headers, "Idempotency-Key": self._key}
        del headers["accept-encoding"]
        return httpx.post(f"{address}{BATCH}/jobs", json=body, headers=headers, timeout=30)

    def ended(self) -> httpx.Response | None:
        self._thread.join()
        return self.answer


def strike(site: Site, seed: int, victim: str) -> None:
    before = site.rows(_LEFT)
    submission = Submission(site, f"{victim} {seed}")
    until(partial(site.rows, _KEEPING), 20, "the submission is being kept")
    time.sleep(random.Random(seed).uniform(0.0, 1.0))
    if victim == "web":
        site.process("web").kill()
    else:
        os.kill(site.server("postgres"), signal.SIGQUIT)
    answer = submission.ended()
    assert answer is None or answer.status_code == 503, answer.text[:500]
    until(lambda: _answers(site), RECOVERY, "the API answers")
    until(lambda: not site.rows(_KEEPING), 10, "what the dead had begun is over")
    assert site.rows(_LEFT) == before
    site.rows("DROP FUNCTION IF EXISTS linger CASCADE")
    again = until(lambda: _accepted(submission), RECOVERY, "the same submission is taken")
    assert again is not None
    assert "Idempotency-Replayed" not in again.headers
    job = again.json()["id"]
    assert site.finish(job, 60)["request_counts"]["total"] == COUNT
    assert submission.send().json()["id"] == job


def _answers(site: Site) -> bool:
    try:
        return site.client.get(f"{BATCH}/jobs?limit=1").status_code == 200
    except httpx.HTTPError:
        return False


def _accepted(submission: Submission) -> httpx.Response | None:
    answer = submission.send()
    return answer if answer.status_code == 202 else None


@pytest.mark.parametrize("victim", ["web", "postgres"])
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.faults) for seed in range(2, 8))])
def test_what_dies_while_a_submission_is_kept(site: Site, slow_chunks: None, seed: int, victim: str) -> None:
    strike(site, seed, victim)


@pytest.mark.faults
def test_a_submission_that_takes_too_long_is_let_go(site: Site) -> None:
    """No single statement is too slow, but all of them together are."""
    site.rows(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;"
        "CREATE TRIGGER linger BEFORE INSERT ON batch_chunk FOR EACH ROW EXECUTE FUNCTION linger()"
    )
    try:
        before = site.rows(_LEFT)
        begun = time.monotonic()
        answer = Submission(site, "slow").ended()
        assert answer is not None and answer.status_code == 503 and int(answer.headers["Retry-After"])
        assert "storage is slow, try again" in answer.json()["detail"]
        assert time.monotonic() - begun < 15
        assert site.rows(_LEFT) == before
    finally:
        site.rows("DROP FUNCTION IF EXISTS linger CASCADE")
