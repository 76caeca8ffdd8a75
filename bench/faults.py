"""How long a job stands still when a worker process is killed in it: kill -9 at 30 % of 100,000 instruments.

The figure: seconds from the kill until the chunk that it was computing runs again. There is no peer: tasks whose worker
was killed come back by Celery itself after its visibility timeout, here 120 s.
"""

import os
import secrets
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench.batch import KEYS, USER, manage
from signalsite.embedded import state as places
from signalsite.embedded.service import running_service

RUNS = 3
SHARE = 0.3
_DONE = "SELECT count(*) FILTER (WHERE status = 'done') >= %s * count(*) FROM batch_chunk WHERE job_id = %s"
_RUNNING = "SELECT id, worker FROM batch_chunk WHERE job_id = %s AND status = 'running' LIMIT 1"
_HIT = "SELECT status = 'running' FROM batch_chunk WHERE id = %s"
_AGAIN = "SELECT attempt > 1 FROM batch_chunk WHERE id = %s"


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{places.own_state_dir()}-bench"
    os.environ["PASSWORD"] = secrets.token_urlsafe(12)
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    manage("migrate", "-v0")
    manage("flush", "--noinput", "-v0")
    manage("simulate_market", "--seed", "5", "--contracts", "100000")
    manage("shell", "-v0", "-c", USER)
    keys = manage("shell", "-v0", "-c", KEYS).split()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder) / "up.log", "--workers", "2") as service,
        httpx.Client(base_url=service.address, timeout=60) as client,
        _database() as database,
    ):
        token = client.post("/api/token", json={"username": "bench", "password": os.environ["PASSWORD"]})
        client.headers["Authorization"] = f"Bearer {token.raise_for_status().json()['access']}"
        taken = [takeover(client, database, keys) for _ in range(RUNS)]
    print("\nkill -9 of a worker process at 30 % of 100,000: its chunk runs again after ", end="")
    print(f"{statistics.median(taken):.1f} s (worst of {RUNS}: {max(taken):.1f} s)")
    return {"batch.takeover_seconds": statistics.median(taken)}


def _database() -> "psycopg.Connection[Any]":
    database = places.database(places.state_dir())
    address = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"], "dbname": database["NAME"]}
    return psycopg.connect(autocommit=True, **address)


def takeover(client: httpx.Client, database: "psycopg.Connection[Any]", keys: list[str]) -> float:
    """Seconds from the kill until another attempt at the chunk has begun; the job must still end with every answer."""
    body = {"kind": "greeks", "items": [{"instrument_key": key} for key in keys], "reuse": False}
    job = client.post("/api/v2/signals/batch/jobs", json=body).raise_for_status().json()
    _until(database, _DONE, SHARE, job["id"])
    chunk, moment = _kill(database, job["id"])
    _until(database, _AGAIN, chunk)
    taken = time.monotonic() - moment
    while not job["done"]:
        time.sleep(0.1)
        job = client.get(job["links"]["self"]).raise_for_status().json()
    if job["request_counts"]["completed"] + job["request_counts"]["failed"] != len(keys):
        raise SystemExit(f"answers are missing: {job['request_counts']}")
    return taken


def _kill(database: "psycopg.Connection[Any]", job: str) -> tuple[int, float]:
    """Kill a process in the middle of a chunk: the chunk and the moment."""
    while True:
        found = database.execute(_RUNNING, [job]).fetchone()
        if found is None:
            time.sleep(0.002)
            continue
        chunk, worker = found
        os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)
        moment = time.monotonic()
        time.sleep(0.05)
        if database.execute(_HIT, [chunk]).fetchone() == (True,):
            return chunk, moment


def _until(database: "psycopg.Connection[Any]", question: str, *values: object) -> None:
    deadline = time.monotonic() + 60
    while database.execute(question, values).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within 60 s: {question}")
        time.sleep(0.01)


if __name__ == "__main__":
    run()
