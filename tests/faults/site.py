"""The service under fault: its processes, responses, rows, metrics and log."""

import itertools
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import psycopg
import pyarrow as pa
import redis

from signalsite.embedded import state as places

BATCH = "/api/v2/signals/batch"
SLOWEST = 5.0  # limit in seconds of every request, whatever has failed
T = TypeVar("T")
_ROWS = """
SELECT j.status, j.total, j.completed, j.failed, j.finished_at IS NOT NULL, c.* FROM batch_job j,
LATERAL (SELECT count(*) FILTER (WHERE status <> 'done'), coalesce(sum(completed), 0)::int,
                coalesce(sum(failed), 0)::int
         FROM batch_chunk WHERE job_id = j.id) c
WHERE j.id = %s
"""


def until(found: Callable[[], T], seconds: float, what: str) -> T:
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return result


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended just now
        return ""


@dataclass
class Site:
    address: str
    state: Path
    log: Path
    up: psutil.Process  # `manage.py up`
    keys: list[str]
    client: httpx.Client
    read: int = 0  # bytes of the log written by earlier tests
    before: dict[str, float] = field(default_factory=dict)  # events counted in earlier tests

    def begin(self) -> None:
        self.read, self.before = self.log.stat().st_size, self.events()

    # processes

    def process(self, name: str) -> psutil.Process:
        """Wait for web, worker, urgent or beat, and return its process."""
        mark = {"web": "uvicorn", "worker": "worker --concurrency"}.get(name, name)
        return until(
            lambda: next((child for child in self.up.children() if mark in _command(child)), None),
            20,
            f"{name} runs",
        )

    def server(self, name: str) -> int:
        """Wait for postgres or valkey, and return its process."""
        lock = self.state / "locks" / f"{name}.keeper"
        return int(until(lock.read_text, 20, f"{name} runs"))

    def keeper(self, name: str) -> int:
        """Return the process that restarts the server."""
        return int(psutil.Process(self.server(name)).ppid())

    @contextmanager
    def redis(self) -> Iterator["redis.Redis"]:
        with redis.Redis.from_url(places.redis_url(self.state), socket_timeout=5) as client:
            yield client

    # rows

    def rows(self, query: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
        database = places.database(self.state)
        with psycopg.connect(
            host=database["HOST"], port=database["PORT"], user=database["USER"], dbname=database["NAME"]
        ) as connection:
            cursor = connection.execute(query, named or values)
            return cursor.fetchall() if cursor.description else []

    def answers(self, job: str) -> list[tuple[int, str]]:
        """Return position and status of every stored answer, in the order of chunks, read without our code."""
        blocks = "SELECT first_position, answer_block FROM batch_chunk WHERE job_id = %s ORDER BY number"
        return [
            (first + place, word)
            for first, block in self.rows(blocks, job)
            if block is not None
            for place, word in enumerate(pa.ipc.open_stream(block).read_all().column("status").to_pylist())
        ]

    # HTTP

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request. It never gets a 500 and never takes five seconds; a 503 has Retry-After."""
        begun = time.monotonic()
        answer = self.client.request(method, path, **more)
        taken = time.monotonic() - begun
        assert taken < SLOWEST, f"{method} {path}: {taken:.1f} s, {answer.status_code}"
        assert answer.status_code < 500 or answer.status_code == 503, f"{method} {path}: {answer.text[:1000]}"
        if answer.status_code == 503:
            assert answer.headers["Content-Type"] == "application/problem+json" and int(answer.headers["Retry-After"])
        return answer

    def items(self, count: int) -> list[dict[str, Any]]:
        keys = itertools.islice(itertools.cycle(self.keys), count)
        return [{"instrument_key": key, "custom_id": str(place)} for place, key in enumerate(keys)]

    def post(self, count: int, **more: Any) -> httpx.Response:
        body = {"kind": "greeks", "items": self.items(count), "reuse": False, **more}
        return self.ask("POST", f"{BATCH}/jobs", json=body)

    def submit(self, count: int, **more: Any) -> str:
        answer = self.post(count, **more)
        assert answer.status_code == 202, answer.text[:1000]
        return str(answer.json()["id"])

    def accepted(self, count: int) -> str:
        """Submit a job, and return its id, empty while the service has no storage."""
        answer = self.post(count)
        return str(answer.json()["id"]) if answer.status_code == 202 else ""

    def begun(self, job: str, share: float = 0.3, seconds: float = 60) -> None:
        """Wait until this share of the job's chunks is done."""
        count = "SELECT count(*) FILTER (WHERE status = 'done') >= %s * count(*) FROM batch_chunk WHERE job_id = %s"
        until(lambda: self.rows(count, share, job)[0][0], seconds, f"{share:.0%} of the job")

    def finish(self, job: str, seconds: float = 60) -> dict[str, Any]:
        """Wait over HTTP for the job to end, and check that nothing is lost, duplicated or miscounted."""
        ended: dict[str, Any] = until(lambda: self.ended(job), seconds, "the end of the job")
        (found,) = self.rows(_ROWS, job)
        status, total, completed, failed, finished, chunks_open, of_chunks, failed_of_chunks = found
        counts = {"total": total, "completed": completed, "failed": failed}
        assert (ended["status"], ended["request_counts"]) == (status, counts)
        assert finished and chunks_open == 0
        assert (of_chunks, failed_of_chunks) == (completed, failed)
        answers = self.answers(job)
        assert [position for position, _ in answers] == list(range(total))
        assert sum(word == "ok" for _, word in answers) == completed
        return ended

    def ended(self, job: str) -> dict[str, Any] | None:
        """Wait for the job to end, and return it as HTTP shows it."""
        answer = self.ask("GET", f"{BATCH}/jobs/{job}")
        return answer.json() if answer.status_code == 200 and answer.json()["done"] else None

    # metrics and logs

    def events(self) -> dict[str, float]:
        text = self.ask("GET", "/metrics").text
        found = re.findall(r'^signal_batch_events_total\{event="(\w+)"\} (\S+)', text, re.MULTILINE)
        return {name: float(count) for name, count in found}

    def restarts(self) -> dict[tuple[str, str], float]:
        """Return how often each process was restarted since `up` began, by process and reason."""
        text = self.ask("GET", "/metrics").text
        found = re.findall(
            r'^signal_service_restarts_total\{process="(\w+)",reason="(\w+)"\} (\S+)', text, re.MULTILINE
        )
        return {(process, reason): float(count) for process, reason, count in found}

    def count(self, event: str) -> float:
        """Return how often the metrics counted the event in this test."""
        return self.events().get(event, 0.0) - self.before.get(event, 0.0)

    def logged(self, part: str, **context: str) -> bool:
        """Return whether a log line of this test has this message and this context."""
        with self.log.open("rb") as log:
            log.seek(self.read)
            for line in log.read().decode(errors="replace").splitlines():
                record = json.loads(line) if line.startswith("{") else {"message": line}
                if part in record["message"] and context.items() <= record.items():
                    return True
        return False

    def tells(self, event: str, **context: str) -> None:
        """Check that both a metric and a log line report the event."""
        until(lambda: self.count(event), 10, f"{event} in the metrics")
        until(lambda: self.logged(event, **context), 10, f"{event} in the log")

    # faults

    def strike(self, job: str, blow: Callable[[int], object]) -> tuple[int, float]:
        """Do `blow` to a pool child that has just started a chunk of the job. Return the chunk's id and the moment."""
        running = (
            "SELECT id, worker FROM batch_chunk WHERE job_id = %s AND status = 'running' AND attempt = 1"
            " AND started_at > clock_timestamp() - interval '0.1 s'"
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for chunk, worker in self.rows(running, job)[:1]:
                blow(int(worker.rpartition(":")[2]))
                moment = time.monotonic()
                time.sleep(0.05)  # statements already sent may still commit
                if (chunk,) in self.rows("SELECT id FROM batch_chunk WHERE id = %s AND status = 'running'", chunk):
                    return chunk, moment
        raise AssertionError("no chunk was running")

    def takeover(self, chunk: int, since: float) -> float:
        """Wait for the next attempt at the chunk, and return the seconds."""
        again = "SELECT 1 FROM batch_chunk WHERE id = %s AND attempt > 1"
        until(lambda: self.rows(again, chunk), 60, "another attempt")
        return time.monotonic() - since
