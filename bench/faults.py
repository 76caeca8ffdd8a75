"""Measure how long a chunk waits after kill -9 of its worker process, at 30 % of a job of 100,000 instruments.

The figure is the seconds from the kill until the chunk runs again. There is no peer: Celery alone redelivers the tasks
of a killed worker after its visibility timeout, here 120 s.
"""

import os
import signal
import statistics
import time
from typing import Any

import httpx
import psycopg

from bench.service import finish, serving, simulated_market, submit_keys
from signalsite.embedded import state as places

RUNS = 3
SHARE = 0.3
_DONE = "SELECT count(*) FILTER (WHERE status = 'done') >= %s * count(*) FROM batch_chunk WHERE job_id = %s"
_RUNNING = "SELECT id, worker FROM batch_chunk WHERE job_id = %s AND status = 'running' LIMIT 1"
_HIT = "SELECT status = 'running' FROM batch_chunk WHERE id = %s"
_AGAIN = "SELECT attempt > 1 FROM batch_chunk WHERE id = %s"


def run() -> dict[str, float]:
    with simulated_market() as market, serving(market) as service, _database() as database:
        taken = [takeover(service.client, database, market.keys) for _ in range(RUNS)]
    print("\nkill -9 of a worker process at 30 % of 100,000: its chunk runs again after ", end="")
    print(f"{statistics.median(taken):.1f} s (worst of {RUNS}: {max(taken):.1f} s)")
    return {"batch.takeover_seconds": statistics.median(taken)}


def _database() -> "psycopg.Connection[Any]":
    database = places.database(places.state_dir())
    address = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"], "dbname": database["NAME"]}
    return psycopg.connect(autocommit=True, **address)


def takeover(client: httpx.Client, database: "psycopg.Connection[Any]", keys: list[str]) -> float:
    """Return the seconds from the kill until the next attempt. The job must still end with every answer."""
    job = submit_keys(client, keys)
    _until(database, _DONE, SHARE, job["id"])
    chunk, moment = _kill(database, job["id"])
    _until(database, _AGAIN, chunk)
    taken = time.monotonic() - moment
    finish(client, job)
    return taken


def _kill(database: "psycopg.Connection[Any]", job: str) -> tuple[int, float]:
    """Kill a process in the middle of a chunk. Return the chunk and the moment."""
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
