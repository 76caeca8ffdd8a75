"""Workers die, hang, resume late or are asked to stop, in the middle of a job of 100,000 instruments."""

import os
import signal
import time
from functools import partial

import psutil
import pytest

from tests.faults.site import Site, hanging, until

WHOLE = 100_000
TAKEOVER = 30.0  # seconds, at most


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_killed_pool_child_is_replaced_and_its_chunk_taken_over(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(20_000)
    chunk, moment = site.strike(job, kill)
    taken = measured["kill -9 of a pool child: its chunk runs again"] = site.takeover(chunk, moment)
    assert taken < TAKEOVER
    assert site.finish(job)["status"] == "completed"
    site.tells("chunk_taken_over", job=job, chunk=str(chunk))


@pytest.mark.faults
def test_a_pool_child_killed_in_a_large_job(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(WHOLE)
    site.begun(job)
    chunk, moment = site.strike(job, kill)
    taken = measured["kill -9 of a pool child at 30 % of 100,000: its chunk runs again"] = site.takeover(chunk, moment)
    assert taken < TAKEOVER
    assert site.finish(job)["status"] == "completed"
    site.tells("chunk_taken_over", job=job, chunk=str(chunk))


@pytest.mark.faults
def test_a_killed_worker_is_started_again_and_its_chunks_taken_over(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(WHOLE)
    site.begun(job)
    worker = site.process("worker").pid
    chunk, moment = site.strike(job, lambda _: os.killpg(worker, signal.SIGKILL))
    taken = measured["kill -9 of the whole worker at 30 % of 100,000: its chunk runs again"] = site.takeover(
        chunk, moment
    )
    assert taken < TAKEOVER
    assert site.finish(job)["status"] == "completed"
    measured["kill -9 of the whole worker at 30 % of 100,000: the job has ended"] = time.monotonic() - moment
    assert site.logged("worker ended with status -9")
    site.tells("chunk_taken_over", job=job, chunk=str(chunk))


@pytest.mark.faults
def test_in_a_long_line_what_was_lost_does_not_wait_for_its_turn(site: Site, measured: dict[str, float]) -> None:
    worker = site.process("worker").pid
    with hanging(worker), site.redis() as redis:
        jobs = [site.submit(WHOLE) for _ in range(20)]  # more than the workers do in the time of a takeover
        message = str(redis.rpop("celery"))
    lost = next(job for job in jobs if job in message)
    begun = time.time()
    other = next(job for job in jobs if job != lost)
    site.begun(other)
    chunk, moment = site.strike(other, lambda _: os.killpg(worker, signal.SIGKILL))
    taken = measured["kill -9 of the whole worker, two million items waiting: its chunk runs again"] = site.takeover(
        chunk, moment
    )
    assert taken < TAKEOVER
    started = "SELECT started_at FROM batch_job WHERE id = %s AND started_at IS NOT NULL"
    found = until(partial(site.rows, started, lost), TAKEOVER, "the job whose task was lost")
    waited = measured["a lost task, two million items waiting: it has run"] = found[0][0].timestamp() - begun
    assert waited < TAKEOVER
    with site.redis() as redis:
        assert redis.llen("celery") > 0, "the line was too short to prove anything"
    for job in jobs:
        assert site.finish(job, 120)["status"] == "completed"


@pytest.mark.faults
def test_a_child_stopped_beyond_its_lease_is_refused_when_it_comes_back(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(WHOLE)
    site.begun(job)
    stopped: list[int] = []

    def stop(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    try:
        chunk, moment = site.strike(job, stop)
        taken = measured["SIGSTOP of a pool child: its chunk runs again"] = site.takeover(chunk, moment)
        assert taken < TAKEOVER
        assert site.finish(job)["status"] == "completed"
    finally:
        for pid in stopped:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)
    site.tells("late_attempt_refused", job=job, chunk=str(chunk), attempt="1")
    assert site.finish(job)["status"] == "completed"


@pytest.mark.faults
def test_a_child_stopped_in_the_transaction_that_keeps_its_results(site: Site, measured: dict[str, float]) -> None:
    """The worker holds the locks of its chunk and its job; PostgreSQL ends its connection."""
    job = site.submit(WHOLE)
    site.begun(job, 0.1)
    keeping = (
        "SELECT c.id, c.worker FROM batch_chunk c WHERE job_id = %s AND status = 'running' AND EXISTS (SELECT FROM"
        " pg_stat_activity WHERE state <> 'idle' AND query LIKE 'UPDATE %%answer_block%%')"
    )
    free = "SELECT id FROM batch_chunk WHERE id = %s FOR UPDATE SKIP LOCKED"
    child = 0
    while not child:
        for chunk, worker in until(partial(site.rows, keeping, job), 30, "a chunk's results are kept"):
            pid = int(worker.rpartition(":")[2])
            os.kill(pid, signal.SIGSTOP)
            moment = time.monotonic()
            time.sleep(0.3)  # the server finishes the current statement
            if site.rows(free, chunk):
                os.kill(pid, signal.SIGCONT)
            else:
                child = pid
                break
    try:
        taken = measured["SIGSTOP of a pool child in its transaction: its chunk runs again"] = site.takeover(
            chunk, moment
        )
        assert taken < TAKEOVER
        assert site.finish(job)["status"] == "completed"
    finally:
        if psutil.pid_exists(child):
            os.kill(child, signal.SIGCONT)
    assert site.finish(job)["status"] == "completed"
    site.tells("chunk_taken_over", job=job, chunk=str(chunk))


def test_a_worker_asked_to_leave_finishes_what_it_has_begun(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(40_000)
    site.begun(job, 0.1)
    worker = site.process("worker")
    begun = time.monotonic()
    worker.terminate()
    worker.wait(40)  # a chunk takes ten times as long on a busy machine
    measured["SIGTERM: the worker has left"] = time.monotonic() - begun
    assert not site.rows("SELECT id FROM batch_chunk WHERE job_id = %s AND status = 'running'", job)
    assert site.finish(job)["status"] == "completed"
    assert not site.count("chunk_taken_over")
    assert site.logged("worker ended with status 0")


@pytest.mark.faults
def test_a_chunk_that_kills_every_worker_is_given_up(site: Site, measured: dict[str, float]) -> None:
    job = site.submit(20_000)
    begun = time.monotonic()
    (chunk,) = site.rows("SELECT id FROM batch_chunk WHERE job_id = %s AND number = 1", job)[0]
    running = "SELECT attempt, worker FROM batch_chunk WHERE id = %s AND status = 'running' AND attempt = %s"
    attempt = 1
    while attempt <= 3:
        _, worker = until(partial(site.rows, running, chunk, attempt), TAKEOVER, f"attempt {attempt}")[0]
        kill(int(worker.rpartition(":")[2]))
        time.sleep(0.05)
        attempt += bool(site.rows(running, chunk, attempt))
        assert not site.rows("SELECT 1 FROM batch_chunk WHERE id = %s AND status = 'done'", chunk), "it got through"
    ended = site.finish(job, 90)
    measured["a chunk that kills its worker each time: given up"] = time.monotonic() - begun
    (size,) = site.rows("SELECT size FROM batch_chunk WHERE id = %s", chunk)[0]
    assert (ended["status"], ended["request_counts"]["failed"] >= size) == ("completed", True)
    assert sum(word == "internal_error" for _, word in site.answers(job)) == size
    site.tells("chunk_given_up", job=job, chunk=str(chunk))
