"""Exports through the real service: rows a second by format and coding, first byte, and the web process's memory.

python -m bench.exports. The peer is the same rows as JSON pages of 10,000 (the client decodes neither).
"""

import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.batch import PAGE, USER, manage, peak_memory
from signalsite.embedded.service import running_service
from signalsite.embedded.state import own_state_dir

ROWS = 100_000
RUNS = 5
FORMATS = [
    ("ndjson", "identity"),
    ("ndjson", "gzip"),
    ("ndjson", "zstd"),
    ("csv", "identity"),
    ("csv", "gzip"),
    ("csv", "zstd"),
    ("parquet", "identity"),
    ("arrow", "identity"),
    ("arrow", "zstd"),
]


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    os.environ["PASSWORD"] = secrets.token_urlsafe(12)
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    manage("migrate", "-v0")
    manage("flush", "--noinput", "-v0")
    manage("simulate_market", "--seed", "5", "--contracts", str(ROWS))
    manage("shell", "-v0", "-c", USER)
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder) / "up.log") as service:
        web = next(
            child for child in psutil.Process(service.process.pid).children() if "uvicorn" in " ".join(child.cmdline())
        )
        with httpx.Client(base_url=service.address, timeout=60) as client:
            token = client.post("/api/token", json={"username": "bench", "password": os.environ["PASSWORD"]})
            client.headers["Authorization"] = f"Bearer {token.raise_for_status().json()['access']}"
            return measure(client, web)


def measure(client: httpx.Client, web: psutil.Process) -> dict[str, float]:
    job = run_job(client)
    rows = job["request_counts"]["total"]
    for format_, coding in FORMATS:  # warm
        read_export(client, job, format_, coding)
    print(f"\nexports of {rows} rows, 2 cores: {'rows/s':>9} {'worst':>9} {'first byte':>11} {'MB':>6} {'grew by':>9}")
    rates: dict[tuple[str, str], float] = {}
    growth = 0.0
    for each in FORMATS:
        with peak_memory(web) as peak:
            taken = [read_export(client, job, *each) for _ in range(RUNS)]
        grew = peak[-1] - peak[0]
        growth = max(growth, grew)
        whole, first, size = zip(*taken, strict=True)
        rates[each] = rows / statistics.median(whole)
        print(
            f"{' '.join(each):>31} {rates[each]:>9.0f} {rows / max(whole):>9.0f} {max(first) * 1000:>8.0f} ms "
            f"{size[0] / 1e6:>6.1f} {grew:>5.1f} MiB"
        )
    pages = statistics.median(read_pages(client, job) for _ in range(RUNS))
    print(f"{f'JSON pages of {PAGE}':>31} {rows / pages:>9.0f}")
    return {
        "batch.export_rows_per_second": min(rates.values()),
        "batch.export_web_rss_growth_mib": growth,
        **{f"batch.export_{format_}_{coding}_rows_per_second": rate for (format_, coding), rate in rates.items()},
    }


def run_job(client: httpx.Client) -> dict[str, Any]:
    body = {"kind": "greeks", "selector": {"exchange": "SIM"}}
    job: dict[str, Any] = client.post("/api/v2/signals/batch/jobs", json=body).raise_for_status().json()
    while not job["done"]:
        time.sleep(0.1)
        job = client.get(job["links"]["self"]).raise_for_status().json()
    if job["status"] != "completed":
        raise SystemExit(f"the job is {job['status']}: {job['error']}")
    return job


def read_export(client: httpx.Client, job: dict[str, Any], format_: str, coding: str) -> tuple[float, float, int]:
    """Seconds to the last byte, seconds to the first byte of the body, bytes."""
    begun, first, size = time.perf_counter(), 0.0, 0
    with client.stream(
        "GET", job["links"]["export"], params={"format": format_}, headers={"Accept-Encoding": coding}
    ) as answer:
        answer.raise_for_status()
        for part in answer.iter_raw():
            first = first or time.perf_counter() - begun
            size += len(part)
    return time.perf_counter() - begun, first, size


def read_pages(client: httpx.Client, job: dict[str, Any]) -> float:
    begun = time.perf_counter()
    link: str | None = f"{job['links']['results']}?limit={PAGE}"
    while link:
        answer = client.get(link).raise_for_status()
        link = answer.links.get("next", {}).get("url")
    return time.perf_counter() - begun


if __name__ == "__main__":
    run()
