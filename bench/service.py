"""Run the service under test: `manage.py up` on its own servers, with a market of 100,000 options."""

import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.service import running_service
from signalsite.embedded.state import CHECKOUT, own_state_dir

CONTRACTS = 100_000
JOBS = "/api/v2/signals/batch/jobs"
MAKE_USER = """
import os
from django.contrib.auth import get_user_model
get_user_model().objects.create_user("bench", password=os.environ["PASSWORD"])
"""
_KEYS = """
from signals.instruments.models import Instrument
print("\\n".join(Instrument.objects.exclude(right="").order_by("key").values_list("key", flat=True)))
"""


_JOB_TABLES = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND starts_with(relname, 'batch_')"
    )
    print(cursor.fetchone()[0])
"""


@dataclass(frozen=True, slots=True)
class Market:
    keys: list[str]  # of the options
    password: str
    postgres: psutil.Process


@dataclass(frozen=True, slots=True)
class Service:
    client: httpx.Client  # signed in
    processes: dict[str, psutil.Process]  # web, worker, postgres: each with its children


@contextmanager
def simulated_market(contracts: int = CONTRACTS) -> Iterator[Market]:
    """Run the benchmarks' own servers, emptied and filled with a simulated market."""
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    os.environ["PASSWORD"] = password = secrets.token_urlsafe(12)
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    with keep_running(wait=True) as servers:
        manage("migrate", "-v0")
        manage("flush", "--noinput", "-v0")
        manage("simulate_market", "--seed", "5", "--contracts", str(contracts))
        manage("shell", "-v0", "-c", MAKE_USER)
        keys = manage("shell", "-v0", "-c", _KEYS).split()[:contracts]
        postgres = next(server.server_pid() for server in servers if server.name == "postgres")
        yield Market(keys, password, psutil.Process(postgres))


def job_table_bytes() -> int:
    """Return the bytes of all tables of jobs: heap, TOAST and indexes."""
    return int(manage("shell", "-v0", "-c", _JOB_TABLES))


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def serving(market: Market, *, workers: int = 2, **environment: str) -> Iterator[Service]:
    """Run the service with this many worker processes and these variables."""
    variables = {"WORKERS": str(workers), **environment}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder) / "up.log", environment=variables) as running,
        httpx.Client(base_url=running.address, timeout=120) as client,
    ):
        answer = client.post("/api/token", json={"username": "bench", "password": market.password})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access']}"
        children = psutil.Process(running.process.pid).children()
        named = {
            name: next(child for child in children if mark in child.cmdline())
            for name, mark in (("web", "signalsite.asgi:application"), ("worker", "worker"))
        }
        yield Service(client, {**named, "postgres": market.postgres})


def submit(client: httpx.Client, **body: Any) -> dict[str, Any]:
    """Submit a job that reuses no earlier one, and return it as accepted."""
    content = orjson.dumps({"kind": "greeks", "reuse": False, **body})
    answer = client.post(JOBS, content=content, headers={"Content-Type": "application/json"})
    return answer.raise_for_status().json()


def submit_keys(client: httpx.Client, keys: list[str]) -> dict[str, Any]:
    return submit(client, items=[{"instrument_key": key} for key in keys])


def finish(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait for the job to end with an answer to every item, and return it."""
    while not job["done"]:
        time.sleep(0.1)
        job = client.get(job["links"]["self"]).raise_for_status().json()
    counts = job["request_counts"]
    if job["status"] != "completed" or counts["completed"] + counts["failed"] != counts["total"]:
        raise SystemExit(f"the job is {job['status']}: {job['error']} {counts}")
    return job


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[float]]:
    """Yield a list that becomes [idle MiB, highest MiB], sampled every 5 ms."""
    sizes = [process.memory_info().rss / 2**20]
    highest, stop = sizes[0], threading.Event()

    def sample() -> None:
        nonlocal highest
        while not stop.wait(0.005):
            highest = max(highest, process.memory_info().rss / 2**20)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield sizes
    finally:
        stop.set()
        sampler.join()
        sizes.append(highest)


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor seconds of the process and its children, including ended ones."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)
