"""A job's progress on a socket, from the worker's commit to the browser."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect

from signalsite.embedded import state as places
from signalsite.foundation.process import living_in
from tests.e2e.conftest import read, submit, wait
from tests.e2e.sockets import V2, Socket


def open_socket(address: str, client: httpx.Client) -> Socket:
    bearer = client.headers["Authorization"].removeprefix("Bearer ")
    url = f"ws://{urlsplit(address).netloc}{V2}"
    socket = Socket(connect(url, subprotocols=["signals", f"bearer.{bearer}"], compression=None, legacy=True))  # type: ignore[list-item]
    socket.next("welcome")
    return socket


def test_a_job_is_followed_to_its_end(address: str, alice: httpx.Client) -> None:
    with open_socket(address, alice) as socket:
        job = submit(alice, selector={"exchange": "SIM"}, reuse=False)
        topic = f"job:{job['id']}"
        assert socket.subscribe(topic)["items"] == [{"topic": topic, "ok": True, "cadence": "raw"}]
        states = [socket.next("snapshot")]
        assert states[0]["data"]["id"] == job["id"]
        while not states[-1]["data"]["done"]:
            states.append(socket.next("update", timeout=30))
        end = states[-1]["data"]
        kept = wait(alice, job)
        assert (end["status"], end["request_counts"], end["progress"]) == ("completed", kept["request_counts"], 1.0)
        assert end["request_counts"]["total"] == len(read(alice, job))
        counts = [sum(state["data"]["request_counts"][name] for name in ("completed", "failed")) for state in states]
        assert counts == sorted(counts)
        assert len(states) < 40  # a few a second
        socket.quiet()
    with open_socket(address, alice) as late:
        late.subscribe(topic)
        assert late.next("snapshot")["data"] == end


def test_a_job_that_has_ended_before_anyone_watched_has_a_snapshot(address: str, alice: httpx.Client) -> None:
    job = wait(alice, submit(alice, selector={"underlying": "SIM@NIFTY"}))
    with open_socket(address, alice) as socket:
        socket.subscribe(f"job:{job['id']}")
        assert socket.next("snapshot")["data"]["status"] == "completed"


def test_a_job_is_its_owners_and_staffs(
    address: str, alice: httpx.Client, login: Callable[[str], httpx.Client]
) -> None:
    topic = f"job:{submit(alice, selector={'underlying': 'SIM@NIFTY'})['id']}"
    with open_socket(address, login("bob")) as bob, open_socket(address, login("staff")) as staff:
        assert bob.subscribe(topic)["items"][0]["code"] == "forbidden"
        assert staff.subscribe(topic)["items"][0]["ok"]
        assert bob.subscribe("job:nonsense", topic.upper())["items"][0]["code"] == "unknown_topic"


def test_a_cancelled_job_says_so(address: str, alice: httpx.Client) -> None:
    job = submit(alice, selector={"exchange": "SIM"}, reuse=False)
    with open_socket(address, alice) as socket:
        socket.subscribe(f"job:{job['id']}")
        state = socket.next("snapshot")["data"]
        alice.post(job["links"]["cancel"]).raise_for_status()
        while not state["done"]:
            state = socket.next("update", timeout=30)["data"]
        assert state["status"] == wait(alice, job)["status"]


def test_redis_in_the_middle_of_a_job_fails_no_chunk(address: str, alice: httpx.Client) -> None:
    import os
    import signal

    pids = living_in(places.state_dir() / "valkey")
    if not pids:
        pytest.skip("Redis is not ours to stop (TEST_REDIS_URL)")
    job = submit(alice, selector={"exchange": "SIM"}, reuse=False)
    time.sleep(0.3)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert wait(alice, job)["status"] == "completed"
