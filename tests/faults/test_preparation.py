"""A job that can never be prepared is given up after five attempts, with a reason, a log line and a count."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.faults.site import BATCH, Site, until

ATTEMPTS = 5
TAKEOVER = 30.0  # seconds, at most
Obstruct = Callable[[str], None]


@pytest.fixture
def obstruct(site: Site) -> Iterator[Obstruct]:
    """Have PostgreSQL run this statement whenever a job's preparation is stored, until the test ends."""

    def make(statement: str) -> None:
        site.rows(
            "CREATE FUNCTION obstruct() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {statement}; RETURN NEW; END $$;"
            "CREATE TRIGGER obstruct BEFORE UPDATE ON batch_job FOR EACH ROW"
            " WHEN (OLD.status = 'validating' AND NEW.status = 'in_progress') EXECUTE FUNCTION obstruct()"
        )

    yield make
    site.rows("DROP FUNCTION IF EXISTS obstruct CASCADE")


def check_given_up(site: Site, job: str) -> None:
    ended = until(partial(site.ended, job), TAKEOVER, "the end of the job")
    assert ended["status"] == "failed" and f"{ATTEMPTS} times" in ended["error"]
    assert site.rows("SELECT attempts FROM batch_job WHERE id = %s", job) == [(ATTEMPTS + 1,)]
    assert site.answers(job) == []
    site.tells("job_given_up", job=job)
    assert site.count("job_given_up") == 1


@pytest.mark.faults
def test_a_job_whose_preparation_fails_each_time(site: Site, obstruct: Obstruct, measured: dict[str, float]) -> None:
    obstruct("RAISE 'refused'")
    begun = time.monotonic()
    job = site.submit(500)
    check_given_up(site, job)
    measured["a job whose preparation fails each time: given up"] = time.monotonic() - begun
    site.rows("DROP FUNCTION obstruct CASCADE")
    again = site.ask("POST", f"{BATCH}/jobs/{job}/retry")
    assert again.status_code == 202, again.text
    retried = site.finish(again.json()["id"])
    assert (retried["status"], retried["request_counts"]["total"]) == ("completed", 500)


@pytest.mark.faults
def test_a_job_whose_preparation_kills_its_process(site: Site, obstruct: Obstruct, measured: dict[str, float]) -> None:
    obstruct("PERFORM pg_sleep(3)")  # long enough to kill the worker meanwhile
    begun = time.monotonic()
    job = site.submit(500)
    met = (
        "SELECT attempts, finished_at IS NOT NULL FROM batch_job WHERE id = %s AND (finished_at IS NOT NULL OR"
        " attempts > %s AND EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'))"
    )
    worker = site.process("worker")
    attempts, ended = 0, False
    while not ended:
        attempts, ended = until(partial(site.rows, met, job, attempts), TAKEOVER, "another attempt, or the end")[0]
        for child in [] if ended else worker.children():
            child.kill()
    check_given_up(site, job)
    measured["a job whose preparation kills its process each time: given up"] = time.monotonic() - begun
