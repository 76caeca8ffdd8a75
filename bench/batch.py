"""Jobs through the real service: HTTP in, Celery workers, PostgreSQL, HTTP out. On servers of the benchmark's own.

A time runs from the first byte of the POST to the last result read; the items and the market are simulated, each
instrument is another one. The peer is what a caller would do without us: py_vollib in a loop, on the same options.
"""

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from signals.greeks.core.oracle import py_vollib_greeks
from signalsite.embedded.service import running_service
from signalsite.embedded.state import CHECKOUT, own_state_dir

SIZES = {1_000: 9, 10_000: 3, 100_000: 3}  # items: runs
PAGE = 2_000
USER = """
import os
from django.contrib.auth import get_user_model
user, _ = get_user_model().objects.get_or_create(username="bench")
user.set_password(os.environ["PASSWORD"])
user.save()
"""
KEYS = """
from signals.instruments.models import Instrument
print("\\n".join(Instrument.objects.exclude(right="").order_by("key").values_list("key", flat=True)[:100000]))
"""


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    os.environ["PASSWORD"] = secrets.token_urlsafe(12)
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    manage("migrate", "-v0")
    manage("flush", "--noinput", "-v0")
    manage("simulate_market", "--seed", "5", "--contracts", "100000")
    manage("shell", "-v0", "-c", USER)
    keys = manage("shell", "-v0", "-c", KEYS).split()
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder) / "up.log") as service:
        web = next(
            child for child in psutil.Process(service.process.pid).children() if "uvicorn" in " ".join(child.cmdline())
        )
        with httpx.Client(base_url=service.address, timeout=60) as client:
            token = client.post("/api/token", json={"username": "bench", "password": os.environ["PASSWORD"]})
            client.headers["Authorization"] = f"Bearer {token.raise_for_status().json()['access']}"
            return measure(client, web, keys)


def measure(client: httpx.Client, web: psutil.Process, keys: list[str]) -> dict[str, float]:
    rows = run_job(client, keys[:1000])[1]  # warm
    py_vollib_seconds = loop_py_vollib(rows)
    seconds: dict[int, float] = {}
    growth = 0.0
    heads = f"{'items':>8} {'seconds':>8} {'worst':>8} {'items/s':>9} {'us/item':>8}  py_vollib loop"
    print(f"\njobs over HTTP, 2 cores: {heads}")
    for size, runs in SIZES.items():
        with peak_memory(web) as peak:
            taken = [run_job(client, keys[:size])[0] for _ in range(runs)]
        growth = max(growth, peak[-1] - peak[0])
        seconds[size] = statistics.median(taken)
        print(
            f"{'':24} {size:>8} {seconds[size]:>8.3f} {max(taken):>8.3f} {size / seconds[size]:>9.0f} "
            f"{seconds[size] / size * 1e6:>8.1f}  {py_vollib_seconds * size / len(rows):>8.3f} s"
        )
    print(f"web process: {growth:.1f} MiB over its resting size at the most, while 100,000 items came and went")
    return {
        "batch.job_1k_seconds": seconds[1_000],
        "batch.job_10k_seconds": seconds[10_000],
        "batch.job_100k_seconds": seconds[100_000],
        "batch.web_rss_growth_mib": growth,
    }


def run_job(client: httpx.Client, keys: list[str]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds from POST to last result read, and the last page's rows; every item must have its answer."""
    begun = time.perf_counter()
    body = {"kind": "greeks", "items": [{"instrument_key": key} for key in keys]}
    job = client.post("/api/v2/signals/batch/jobs", json=body).raise_for_status().json()
    cursor: int | None = -1
    read, page = 0, []
    while cursor is not None:
        answer = client.get(job["links"]["results"], params={"cursor": cursor, "limit": PAGE}).raise_for_status().json()
        page, cursor = answer["data"], answer["next_cursor"]
        read += len(page)
        if not page:
            time.sleep(0.01)
    taken = time.perf_counter() - begun
    if read != len(keys):
        raise SystemExit(f"{read} of {len(keys)} answers came back")
    return taken, page


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[float]]:
    """[resting MiB, highest MiB while the body ran], sampled every 5 ms."""
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


def loop_py_vollib(rows: list[dict[str, Any]]) -> float:
    """Seconds that py_vollib takes for the same options, given the inputs of their receipts."""
    options = []
    for row in rows:
        if row["status"] == "ok":
            *_, right, strike = row["instrument_key"].split("@")
            options.append((row, float(strike), 1.0 if right == "call" else -1.0))
    begun = time.perf_counter()
    for row, strike, sign in options:
        py_vollib_greeks(
            price=row["price_used"],
            underlying=row["underlying_used"],
            strike=strike,
            expiry_years=row["expiry_years"],
            rate=row["rate"],
            dividend_yield=row["dividend_yield"],
            sign=sign,
            black76=row["model"] == "black76",
        )
    return (time.perf_counter() - begun) / len(options) * len(rows)


if __name__ == "__main__":
    run()
