"""Tasks delivered twice, cancelled jobs, and chunks that cannot be stored."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from signalsite.celery import app
from signalsite.embedded import state as places
from tests.faults.site import BATCH, Site, hanging, until


class TestTwice:
    def send(self, site: Site, name: str, *arguments: object) -> None:
        with app.connection(places.redis_url(site.state).replace("unix://", "redis+socket://", 1)) as broker:
            app.send_task(name, arguments, connection=broker)

    def test_every_chunk_and_the_preparation(self, site: Site) -> None:
        job = site.submit(20_000)
        for _ in range(3):
            self.send(site, "batch.prepare_job", job)
        chunks = [chunk for (chunk,) in site.rows("SELECT id FROM batch_chunk WHERE job_id = %s", job)]
        for chunk in chunks * 3:
            self.send(site, "batch.compute_chunk", chunk)
        ended = site.finish(job)
        assert ended["status"] == "completed"
        for chunk in chunks:  # once more, after the job has ended
            self.send(site, "batch.compute_chunk", chunk)
        self.send(site, "batch.prepare_job", job)
        time.sleep(1)
        assert site.finish(job) == ended
        assert site.rows("SELECT max(attempt) FROM batch_chunk WHERE job_id = %s", job) == [(1,)]


class TestCancel:
    @pytest.mark.parametrize(
        "share", [0.0, *(pytest.param(share, marks=pytest.mark.faults) for share in (0.5, 0.95))]
    )  # of 20 chunks
    def test_at(self, site: Site, share: float) -> None:
        job = site.submit(100_000 if share else 20_000)
        if share:
            site.begun(job, share)
        for _ in range(2):
            answer = site.ask("POST", f"{BATCH}/jobs/{job}/cancel")
            assert answer.status_code == 202
            assert answer.json()["status"] in ("cancelling", "cancelled", "completed")
        ended = site.finish(job)
        assert ended["status"] == "cancelled" or share == 0.95
        count = sum(word == "cancelled" for _, word in site.answers(job))
        assert 0 <= count <= ended["request_counts"]["failed"]
        assert site.ask("POST", f"{BATCH}/jobs/{job}/cancel").json() == ended


class TestCancelWithoutWorkers:
    @pytest.fixture
    def stopped(self, site: Site) -> Iterator[Callable[[], None]]:
        """Yield a function that suspends every process of the worker until the end of the test."""
        with ExitStack() as hung:

            def stop() -> None:
                worker = site.process("worker")
                for process in (worker, *worker.children()):
                    hung.enter_context(hanging(process.pid))

            yield stop

    def cancel(self, site: Site, job: str) -> dict[str, Any] | None:
        """Return the job afterwards, or None if a suspended worker has locked it."""
        answer = site.ask("POST", f"{BATCH}/jobs/{job}/cancel")
        return answer.json() if answer.status_code == 202 else None

    def test_a_job_that_nobody_has_begun(
        self, site: Site, stopped: Callable[[], None], measured: dict[str, float]
    ) -> None:
        stopped()
        job = site.submit(10_000)
        begun = time.monotonic()
        ended = self.cancel(site, job)
        measured["a job of 10,000 cancelled with no worker: it has ended"] = time.monotonic() - begun
        assert ended and ended["status"] == "cancelled"
        assert site.finish(job)["request_counts"] == {"total": 10_000, "completed": 0, "failed": 10_000}

    @pytest.mark.faults
    def test_a_job_of_which_chunks_are_held(
        self, site: Site, stopped: Callable[[], None], measured: dict[str, float]
    ) -> None:
        job = site.submit(100_000)
        site.begun(job)
        stopped()
        begun = time.monotonic()
        until(lambda: (self.cancel(site, job) or {}).get("done"), 40, "the end of the job")
        measured["a job of 100,000 cancelled again and again, its workers hanging: it has ended"] = (
            time.monotonic() - begun
        )
        assert site.finish(job)["status"] == "cancelled"


@pytest.fixture
def poisoned(site: Site) -> Iterator[None]:
    """Have PostgreSQL refuse the answers of one position, as if they violated a constraint."""
    site.rows(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poison'; END $$;"
        "CREATE TRIGGER poison BEFORE UPDATE ON batch_chunk FOR EACH ROW WHEN (NEW.status = 'done'"
        " AND 7777 BETWEEN NEW.first_position AND NEW.first_position + NEW.size - 1"
        " AND NOT NEW.status_counts ? 'internal_error') EXECUTE FUNCTION refuse()"
    )
    yield
    site.rows("DROP TRIGGER poison ON batch_chunk; DROP FUNCTION refuse()")


@pytest.mark.usefixtures("poisoned")
def test_a_chunk_whose_results_cannot_be_kept_ends_with_a_reason(site: Site, measured: dict[str, float]) -> None:
    begun = time.monotonic()
    job = site.submit(20_000)
    ended = site.finish(job, 90)
    measured["a chunk that fails each time: given up"] = time.monotonic() - begun
    assert ended["status"] == "completed"
    given_up = [position for position, word in site.answers(job) if word == "internal_error"]
    assert min(given_up) <= 7777 <= max(given_up)
    site.tells("chunk_failed", job=job, attempt="1")
    site.tells("chunk_given_up", job=job)
