"""What the tests of the front share."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from tests.e2e.conftest import BATCH

KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
JOBS = f"POST {BATCH}/jobs"
SIXTY_MB = 60 << 20
SUBMISSION = json.dumps({"items": [KEY]}).encode()
JSON = "Content-Type: application/json"


@contextmanager
def served_meanwhile(address: str, seconds: float = 0.5) -> Iterator[None]:
    """Check that another client is answered in time meanwhile. /ready needs a thread and the database."""

    def ask() -> float:
        slowest = 0.0
        with httpx.Client(base_url=address, timeout=10) as client:
            while running:
                for path, allowed in (("/health", seconds), ("/ready", 4 * seconds)):
                    begun = time.perf_counter()
                    assert client.get(path).status_code == 200
                    slowest = max(slowest, (time.perf_counter() - begun) / allowed)
                time.sleep(0.02)
        return slowest

    running = [True]
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield
        finally:
            running.clear()
        assert asking.result() < 1, "somebody else had to wait"


def authorization(client: httpx.Client) -> str:
    return f"Authorization: {client.headers['Authorization']}"
