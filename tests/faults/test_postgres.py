"""PostgreSQL dies in the middle of a job and returns: meanwhile the API says so, and the job completes."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest

from tests.faults.site import BATCH, Site, hanging

RECOVERY = 30.0  # seconds, without the computing


@pytest.mark.parametrize("blow", [pytest.param(signal.SIGKILL, marks=pytest.mark.faults), signal.SIGQUIT])
def test_postgres_is_restarted_in_a_job(site: Site, measured: dict[str, float], blow: signal.Signals) -> None:
    job = site.submit(40_000)
    site.begun(job, 0.1)
    begun = time.monotonic()
    os.kill(site.server("postgres"), blow)
    statuses: list[int] = []
    while not statuses or statuses[-1] != 200 or time.monotonic() < begun + 3:
        assert time.monotonic() < begun + RECOVERY
        statuses.append(site.ask("GET", f"{BATCH}/jobs/{job}").status_code)
        site.ask("GET", "/metrics")
    measured[f"{blow.name} to PostgreSQL: the API answers again"] = time.monotonic() - begun
    assert set(statuses) <= {200, 503}
    assert site.finish(job, RECOVERY)["status"] == "completed"
    measured[f"{blow.name} to PostgreSQL in a job of 40,000: the job has ended"] = time.monotonic() - begun


@pytest.mark.faults
def test_submissions_while_postgres_is_away(site: Site, measured: dict[str, float]) -> None:
    """Each submission is either a job that completes, or a 503 without a row."""
    keeper = site.keeper("postgres")
    before = site.rows("SELECT count(*) FROM batch_job")[0][0]
    with hanging(keeper):  # so that it does not restart at once
        os.kill(site.server("postgres"), signal.SIGQUIT)
        answers = [site.post(600) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {503}
        metrics = site.ask("GET", "/metrics").text
        assert "signal_batch_up 0.0" in metrics
    begun = time.monotonic()
    while (answer := site.post(600)).status_code != 202:
        assert time.monotonic() < begun + RECOVERY
    measured["PostgreSQL is back: a submission is accepted"] = time.monotonic() - begun
    assert site.finish(answer.json()["id"])["status"] == "completed"
    assert site.rows("SELECT count(*) FROM batch_job")[0][0] == before + 1
    assert site.logged("storage did not answer")


@pytest.mark.faults
def test_postgres_hangs(site: Site, measured: dict[str, float]) -> None:
    """PostgreSQL is suspended: its sockets accept data, and nothing answers."""
    job = site.submit(40_000)
    site.begun(job, 0.1)
    server = psutil.Process(site.server("postgres"))
    with ExitStack() as stopped:
        for process in (server, *server.children()):
            stopped.enter_context(hanging(process.pid))
        begun = time.monotonic()
        for _ in range(4):
            assert site.ask("GET", f"{BATCH}/jobs/{job}").status_code == 503
            assert site.post(600).status_code == 503
        measured["PostgreSQL hangs: the mean of eight requests"] = (time.monotonic() - begun) / 8
        assert site.ask("GET", "/health").status_code == 200
        assert "signal_batch_up 0.0" in site.ask("GET", "/metrics").text
    begun = time.monotonic()
    assert site.finish(job, RECOVERY)["status"] == "completed"
    measured["PostgreSQL hung for some 25 s in a job of 40,000: the job has ended"] = time.monotonic() - begun
    assert site.logged("storage did not answer")


@contextmanager
def slowed(server: psutil.Process, share: float) -> Iterator[None]:
    """Give PostgreSQL this share of the time, in slices of a fifth of a second, as on an overloaded machine."""
    over = threading.Event()

    def tell(blow: signal.Signals) -> None:
        for process in (server, *server.children()):
            with suppress(ProcessLookupError):  # a backend whose client has disconnected
                os.kill(process.pid, blow)

    def pulse() -> None:
        while not over.is_set():
            tell(signal.SIGSTOP)
            time.sleep(0.2 * (1 - share))
            tell(signal.SIGCONT)
            time.sleep(0.2 * share)

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_largest_submission_while_postgres_is_slow(site: Site, measured: dict[str, float]) -> None:
    with slowed(psutil.Process(site.server("postgres")), 0.1):
        begun = time.monotonic()
        job = site.submit(100_000)
        measured["a submission of 100,000 while PostgreSQL gets a tenth of its time"] = time.monotonic() - begun
    assert site.finish(job, 60)["status"] == "completed"
