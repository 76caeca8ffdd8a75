"""Redis hangs, or dies with or without its data. No job is lost: jobs are in PostgreSQL."""

import os
import signal
import time

import pytest

from tests.faults.site import BATCH, SLOWEST, Site, hanging

RECOVERY = 30.0  # seconds, without the computing


def test_redis_killed_comes_back_with_its_data(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(40_000)
    site.begun(job, 0.1)
    begun = time.monotonic()
    os.kill(site.server("valkey"), signal.SIGKILL)
    assert site.finish(job, RECOVERY + 10)["status"] == "completed"
    measured["kill -9 of Redis in a job of 40,000: the job has ended"] = time.monotonic() - begun
    assert site.logged("Connection to broker lost") or site.logged("Cannot connect to")


@pytest.mark.faults
def test_redis_flushed_while_a_job_is_queued(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(100_000)
    site.begun(job, 0.1)
    begun = time.monotonic()
    with site.redis() as redis:
        redis.flushall()
    assert site.finish(job, RECOVERY + 10)["status"] == "completed"
    measured["Redis flushed in a job of 100,000: the job has ended"] = time.monotonic() - begun
    site.tells("chunk_requeued")


@pytest.mark.faults
def test_redis_killed_and_empty_afterwards(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(100_000)
    site.begun(job, 0.1)
    begun = time.monotonic()
    for part in (site.state / "valkey" / "appendonlydir").iterdir():
        part.unlink()
    os.kill(site.server("valkey"), signal.SIGKILL)
    assert site.finish(job, RECOVERY + 10)["status"] == "completed"
    measured["kill -9 of Redis, its data lost, in a job of 100,000: the job has ended"] = time.monotonic() - begun
    site.tells("chunk_requeued")


def check_submission(site: Site) -> str | None:
    """Submit without a broker. Return the job's id if it was accepted: then its row must exist."""
    kept = "SELECT count(*) FROM batch_job"
    before = site.rows(kept)
    answer = site.post(1000)
    site.ask("GET", f"{BATCH}/statistics")
    site.ask("GET", "/metrics")
    site.ask("GET", "/health")
    begun = time.monotonic()
    assert site.client.get("/ready").status_code == 503
    assert time.monotonic() - begun < SLOWEST
    if answer.status_code == 503:
        assert site.rows(kept) == before
        return None
    assert answer.status_code == 202
    return str(answer.json()["id"])


def test_submission_to_a_redis_that_hangs(site: Site, measured: dict[str, float]) -> None:
    with hanging(site.server("valkey")):
        begun = time.monotonic()
        job = check_submission(site)
        measured["a submission while Redis hangs, and three other requests"] = time.monotonic() - begun
    begun = time.monotonic()
    if job:
        site.finish(job, RECOVERY)
        measured["Redis hung at submission: the job has ended"] = time.monotonic() - begun
        site.tells("broker_unavailable", job=job)


@pytest.mark.faults
def test_submission_to_a_redis_that_is_down(site: Site, measured: dict[str, float]) -> None:
    keeper = site.keeper("valkey")
    with hanging(keeper):  # so that it does not restart at once
        os.kill(site.server("valkey"), signal.SIGKILL)
        job = check_submission(site)
        time.sleep(10)
        assert not job or not site.rows("SELECT 1 FROM batch_job WHERE id = %s AND finished_at IS NOT NULL", job)
    begun = time.monotonic()
    if job:
        site.finish(job, RECOVERY)
        measured["Redis down at submission: the job has ended"] = time.monotonic() - begun
        site.tells("broker_unavailable", job=job)


@pytest.mark.faults
def test_redis_that_hangs_for_a_minute(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(100_000)
    site.begun(job, 0.1)
    with hanging(site.server("valkey")):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            site.ask("GET", f"{BATCH}/jobs/{job}")
            time.sleep(1)
    begun = time.monotonic()
    assert site.finish(job, RECOVERY)["status"] == "completed"
    measured["Redis hung for 60 s in a job of 100,000: the job has ended"] = time.monotonic() - begun
    job = site.submit(40_000)  # afterwards both processes work: if one hangs, the other continues
    stopped: list[int] = []
    chunk, moment = site.strike(job, lambda pid: (os.kill(pid, signal.SIGSTOP), stopped.append(pid)))
    try:
        assert site.takeover(chunk, moment) < RECOVERY
        assert site.finish(job)["status"] == "completed"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
