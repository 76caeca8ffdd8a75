"""The Python client against the real service, and in the process of a command."""

import csv
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
import psutil
import pytest

from batch.client import ApiError, Client, Job
from batch.client.core.credentials import PasswordTokens, Token
from signalsite.embedded import state
from tests.e2e.conftest import AT, BATCH, manage, own_database, succeed
from tests.forks import Forked, the_forks

Login = Callable[[str], httpx.Client]
CHAIN = {"underlying": "SIM@NIFTY"}
# A script that starts the tests with & has all its processes ignore SIGINT.
INTERRUPTIBLE = """
import signal, sys
from manage import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "manage.py"
main(sys.argv)
"""
# Celery calls this while it sets up its tasks, which the command starts when its workers compute.
INTERRUPTED_IN_CELERY = f"""
import os, signal
from celery._state import connect_on_app_finalize
connect_on_app_finalize(lambda app: os.kill(os.getpid(), signal.SIGINT))
{INTERRUPTIBLE}
"""


@pytest.fixture(scope="module")
def client(address: str, passwords: dict[str, str]) -> Iterator[Client]:
    with Client(address, username="alice", password=passwords["alice"]) as client:
        yield client


@pytest.fixture(scope="module")
def chain(client: Client) -> Job:
    return client.wait(client.submit(selector=CHAIN, as_of=AT), timeout=60)


@pytest.fixture(scope="module")
def keys(client: Client, chain: Job) -> list[str]:
    return [row["instrument_key"] for row in client.results(chain)]


def test_a_job_from_submission_to_tables(client: Client, keys: list[str]) -> None:
    items = [{"instrument_key": key, "custom_id": f"mine-{n}"} for n, key in enumerate(keys[:600])]
    seen: list[Job] = []
    job = client.submit([*items, "SIM@NIFTY@nonsense"], params={"rate": 0.07}, as_of=AT, reuse=False)
    ended = client.wait(job, progress=seen.append, timeout=60)
    assert (ended.status, ended.done, ended.progress, ended.error) == ("completed", True, 1.0, "")
    assert ended.counts.total == ended.counts.answered == 601 and ended.counts.failed >= 1
    assert seen[-1] == ended and [state.counts.answered for state in seen] == sorted(
        state.counts.answered for state in seen
    )
    assert ended.as_of and ended.as_of.isoformat() == "2026-03-02T05:30:00+00:00"
    rows = list(client.results(job))
    assert [row["custom_id"] for row in rows[:-1]] == [item["custom_id"] for item in items]
    failed = list(client.results(job, status="failed"))
    assert len(failed) == ended.counts.failed and failed == [row for row in rows if row["status"] != "ok"]
    table = client.to_arrow(job)
    assert table.column("instrument_key").to_pylist() == [row["instrument_key"] for row in rows]
    assert table.column("delta").to_pylist() == [row["delta"] for row in rows]
    frame = client.to_pandas(job.id)
    assert frame["delta"].mean() == pytest.approx(
        sum(row["delta"] for row in rows if row["delta"] is not None) / ended.counts.completed
    )
    assert job.id in {
        each.id for each in client.jobs(kind="greeks", created_after=job.created_at.replace(microsecond=0))
    }


def test_results_are_given_while_the_job_runs(client: Client, keys: list[str]) -> None:
    job = client.submit((keys * 100)[:100_000], as_of=AT, reuse=False)
    rows = client.results(job)
    first = next(rows)
    assert first["position"] == 0 and not client.job(job).done
    assert [first["position"], *(row["position"] for row in rows)] == list(range(100_000))


def test_a_submission_repeated_under_its_key_is_one_job(client: Client, keys: list[str]) -> None:
    one, other = (client.submit(keys[:5], as_of=AT, idempotency_key="client-test") for _ in range(2))
    assert one.id == other.id
    with pytest.raises(ApiError) as error:
        client.submit(keys[:6], as_of=AT, idempotency_key="client-test")
    assert error.value.status == 422


def test_an_estimate_makes_no_job(client: Client, keys: list[str]) -> None:
    newest = next(client.jobs()).id
    estimate = client.estimate([*keys[:99], {"instrument_key": keys[0], "price": "dear"}], as_of=AT)
    assert (estimate.total, estimate.refused_count, estimate.refused[0]["position"]) == (100, 1, 99)
    assert estimate.chunks >= 1 and estimate.estimated_seconds > 0
    assert client.estimate(selector=CHAIN, as_of=AT).total == len(keys)
    assert next(client.jobs()).id == newest


def test_few_are_answered_at_once_and_more_too(client: Client, keys: list[str]) -> None:
    for count in (3, 150):
        answer = client.greeks(keys[:count], params={"rate": 0.05}, as_of=AT)
        assert [row["instrument_key"] for row in answer.data] == keys[:count]
        assert answer.counts.total == count == answer.counts.answered
        assert answer.params["rate"] == 0.05 and answer.as_of.isoformat() == "2026-03-02T05:30:00+00:00"


def test_a_cancelled_job_is_retried_as_another(client: Client, keys: list[str]) -> None:
    job = client.submit((keys * 30)[:30_000], as_of=AT, reuse=False)
    client.cancel(job)
    ended = client.wait(job, timeout=60)
    assert ended.status == "cancelled"
    statuses = Counter(row["status"] for row in client.results(ended))
    assert statuses.total() == 30_000 and statuses["cancelled"] > 0
    again = client.wait(client.retry(ended), timeout=60)
    assert again.retry_of == job.id and again.status == "completed"
    assert again.counts.total >= statuses["cancelled"]


def test_refusals_name_their_field(client: Client, address: str, passwords: dict[str, str]) -> None:
    with pytest.raises(ApiError) as error:
        client.submit(["A"], params={"forward": "futures"})
    assert (error.value.status, [row.field for row in error.value.errors]) == (400, ["params.forward"])
    with pytest.raises(ApiError) as error:
        client.job("00000000-0000-0000-0000-000000000000")
    assert error.value.status == 404
    with Client(address, username="alice", password="wrong") as stranger, pytest.raises(ApiError) as error:
        next(stranger.jobs())
    assert error.value.status == 401


def test_a_token_that_is_no_longer_taken_is_refreshed(address: str, passwords: dict[str, str]) -> None:
    with Client(address, username="alice", password=passwords["alice"]) as client:
        tokens = client._service.credentials
        assert isinstance(tokens, PasswordTokens)
        for gone in (False, True):  # the second time, both are gone
            assert client.statistics()["jobs"]
            kept = tokens._refresh
            tokens._access = Token("no longer taken")
            tokens._refresh = "no longer taken" if gone else kept
            assert client.statistics()["jobs"]
            assert tokens._access != Token("no longer taken") and tokens._refresh != kept
            assert (_sign_in_of(tokens._refresh) == _sign_in_of(kept)) is not gone


def _sign_in_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])


# In the process of a command: batch_greeks


@pytest.fixture
def workerless(address: str) -> dict[str, str]:
    """The tests' database, and a broker of its own, where no worker listens."""
    elsewhere = f"{state.state_dir()}-workerless"
    return {"DATABASE_URL": own_database(), "SIGNALSITE_STATE": elsewhere}


@pytest.fixture
def production(address: str) -> dict[str, str]:
    return {
        "SIGNALSITE_ENV": "production",
        "SECRET_KEY": "of the tests, and long enough for Django's checks and for HS256",
        "DATABASE_URL": own_database(),
        "REDIS_URL": state.redis_url(state.state_dir()),
        "ALLOWED_HOSTS": ".signals.example,other.example",
    }


def test_batch_greeks_runs_under_productions_settings(production: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    said = succeed("batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT, "--out", str(out), **production)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows)} items" in said and "ok" in {row["status"] for row in rows}


@pytest.mark.parametrize(("environment", "hosts"), [("development", "*"), ("production", "[::1]")])
def test_batch_greeks_is_let_in_by_any_allowed_hosts(production: dict[str, str], environment: str, hosts: str) -> None:
    given = {**production, "SIGNALSITE_ENV": environment, "ALLOWED_HOSTS": hosts}
    refused = manage("batch_greeks", "--underlying", "NOSUCH", **given)
    assert "CommandError: selector.underlying: no underlying" in refused.stderr
    assert "django.request" not in refused.stderr  # told once


def test_without_a_worker_the_command_computes_by_itself(workerless: dict[str, str]) -> None:
    done = manage("batch_greeks", "--underlying", "SIM@NIFTY", "--at", AT, **workerless)
    assert done.returncode == 0, done.stderr
    assert "items/s" in done.stderr and "celery" not in done.stderr


MANY_CHUNKS = ("--exchange", "SIM", "--at", AT)


def test_its_processes_may_die_but_not_all_of_them(workerless: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    few = {"BATCH_CHUNK_SIZE": "5", "WORKERS": "2", **workerless}
    with command(log, *MANY_CHUNKS, "--param", "rate=0.061", **few) as child:
        time.sleep(0.1)  # until both are there
        for worker in workers(child):
            worker.kill()
        assert child.wait(60) == 1
    said = log.read_text()
    assert said.count("ended with exit code -9") == 2 and "Traceback" not in said
    assert "CommandError: the local workers ended before the job did, with exit code 1" in said


def test_one_of_them_is_enough(workerless: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    few = {"BATCH_CHUNK_SIZE": "5", "WORKERS": "2", **workerless}
    with command(log, *MANY_CHUNKS, "--param", "rate=0.062", **few) as child:
        workers(child)[0].kill()
        assert child.wait(60) == 0, log.read_text()


def test_what_forks_them_is_missed(workerless: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    few = {"BATCH_CHUNK_SIZE": "5", "WORKERS": "2", **workerless}
    with command(log, *MANY_CHUNKS, "--param", "rate=0.063", **few) as child:
        workers(child)[0].parent().kill()
        assert child.wait(60) == 1
    assert "CommandError: the local workers ended before the job did, with exit code -9" in log.read_text()


def test_an_interrupted_command_cancels_its_job(workerless: dict[str, str], login: Login, tmp_path: Path) -> None:
    jobs = f"{BATCH}/jobs"
    before = login("staff").get(jobs).json()["results"][0]["id"]
    with command(tmp_path / "log", *MANY_CHUNKS, BATCH_CHUNK_SIZE="5", **workerless) as child:
        while (newest := login("staff").get(jobs).json()["results"][0])["id"] == before or not newest["started_at"]:
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130, (tmp_path / "log").read_text()
    newest = login("staff").get(jobs).json()["results"][0]
    assert newest["owner"] == "command-line" and newest["status"] in ("cancelling", "cancelled")


def test_an_interruption_does_not_leave_celery_half_set_up(
    workerless: dict[str, str], login: Login, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with command(log, *MANY_CHUNKS, script=INTERRUPTED_IN_CELERY, BATCH_CHUNK_SIZE="5", **workerless) as child:
        assert child.wait(60) == 130, log.read_text()
    newest = login("staff").get(f"{BATCH}/jobs").json()["results"][0]
    assert newest["owner"] == "command-line" and newest["status"] in ("cancelling", "cancelled")


def workers(child: Forked) -> list[psutil.Process]:
    """Its processes that compute: forks of its fork."""
    process = psutil.Process(child.pid)
    forks = [each for each in process.children(recursive=True) if each.cmdline() == process.cmdline()]
    return [each for each in forks if each.ppid() != child.pid]


@contextmanager
def command(errors: Path, *arguments: str, script: str = INTERRUPTIBLE, **environment: str) -> Iterator[Forked]:
    """batch_greeks, whose own processes have just begun to compute. It writes errors into this file."""
    with errors.open("w") as file:
        child = the_forks().start(
            ["batch_greeks", *arguments],
            script=script,
            environment={**os.environ, **environment},
            output=file,
            errors=file,
        )
    try:
        while not workers(child):
            assert child.poll() is None
            time.sleep(0.01)
        yield child
    finally:
        child.kill()


def test_listing(client: Client) -> None:
    listed = {row["key"] for row in client.underlyings(exchange="SIM")}
    assert {"SIM@NIFTY", "SIM@BANKNIFTY"} <= listed
    nearest = client.expiries("SIM@NIFTY")[0]
    rows = list(client.instruments(underlying="SIM@NIFTY", expiry_max=nearest["expiry"], product="equity_options"))
    assert len(rows) == nearest["options"]
    key = rows[0]["instrument_key"]
    assert client.instrument(key)["instrument_key"] == key
    found = client.instrument_greeks(key, as_of=AT, params={"rate": 0.07, "dividend_yield": None})
    assert found["params"]["rate"] == 0.07
    (row,) = client.greeks([key], as_of=AT, params={"rate": 0.07}).data
    assert found["greeks"] == row
    with pytest.raises(ApiError) as refused:
        client.instrument("SIM@NOSUCH@equity_spot")
    assert refused.value.status == 404
