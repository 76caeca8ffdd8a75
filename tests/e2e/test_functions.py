"""Functions of users in the running service: tried in the web process, run by a worker, refused to others."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from signals.functions.sandbox.probe import why_unavailable
from tests.e2e.conftest import BATCH, wait

DOOR = "/api/v2/signals/functions"
KEY = "SIM@NIFTY@equity_spot"
SOURCE = """
def compute(data, params):
    close = data["close"]
    return {"n": close.size, "last": close[-1] if close.size else None}
"""
LOOP = "def compute(data, params):\n    while True:\n        pass\n"


@pytest.fixture
def staff(login: Any) -> httpx.Client:
    if reason := why_unavailable():
        pytest.skip(reason)
    client: httpx.Client = login("staff")
    for each in client.get(DOOR).json()["data"]:
        client.delete(f"{DOOR}/{each['name']}")
    return client


def test_a_function_is_uploaded_tried_and_run_as_a_job(staff: httpx.Client) -> None:
    made = staff.post(DOOR, json={"name": "last", "source": SOURCE})
    assert made.status_code == 201, made.text
    tried = staff.post(f"{DOOR}/dry_run", json={"function": "last"}).raise_for_status().json()
    assert tried["result"]["n"] == 500 and tried["timings"]["warm_ms"] > 0
    params = {"function": "mine/last", "timeframe": "1m", "days": 30}
    job = staff.post(f"{BATCH}/functions", json={"items": [KEY, "SIM@NOBODY@equity_spot"], "params": params})
    assert job.status_code == 202, job.text
    ended = wait(staff, job.json())
    assert ended["status"] == "completed"
    rows = staff.get(ended["links"]["results"]).json()["data"]
    assert {row["status"] for row in rows} <= {"ok", "no_bars", "bad_input"}
    assert [row["action"] for row in staff.get(f"{DOOR}/runs").json()["data"]][-2:] != []
    assert staff.delete(f"{DOOR}/last").status_code == 204


def test_who_may_not_gets_403(login: Any, staff: httpx.Client) -> None:
    alice = login("alice")
    assert alice.post(DOOR, json={"name": "a", "source": SOURCE}).status_code == 403
    assert alice.post(f"{DOOR}/dry_run", json={"source": SOURCE}).status_code == 403
    refused = alice.post(f"{BATCH}/functions", json={"items": [KEY], "params": {"function": "mine/last"}})
    assert refused.status_code == 400 and refused.json()["errors"][0]["field"] == "params.function"


def test_forty_loops_at_once_leave_the_service_answering(staff: httpx.Client, address: str) -> None:
    def attack(_: int) -> int:
        return staff.post(f"{DOOR}/dry_run", json={"source": LOOP}, timeout=30).status_code

    with ThreadPoolExecutor(40) as pool:
        running = [pool.submit(attack, each) for each in range(40)]
        slowest = 0.0
        while not all(each.done() for each in running):
            begun = time.perf_counter()
            assert httpx.get(f"{address}/health", timeout=10).status_code == 200
            slowest = max(slowest, time.perf_counter() - begun)
            time.sleep(0.05)
    codes = {each.result() for each in running}
    assert codes <= {200, 429, 503} and codes & {429, 503}
    assert slowest < 5.0
    assert staff.post(f"{DOOR}/dry_run", json={"source": SOURCE}).status_code == 200
