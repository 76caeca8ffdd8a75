"""Live reads under load: many readers with nonsense, pipelined requests, and a state that cannot be read."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.live_reads import BROKEN, CALL, LIVE, PUT, UNDERLYING, live_market
from tests.e2e.raw import connections
from tests.e2e.sockets import running_web


@pytest.fixture(scope="module", autouse=True)
def market(address: str) -> Iterator[None]:
    with live_market():
        yield


def test_forty_readers_with_nonsense_harm_nobody_and_leave_nothing_behind(
    address: str, alice: httpx.Client, tmp_path: Path
) -> None:
    """Keys of 10,000 bytes, ten thousands of unknown keys, and clients that pipeline requests and never read."""
    with running_web(tmp_path / "web.log") as web:
        at, token = f"http://127.0.0.1:{web.port}", f"Authorization: {alice.headers['Authorization']}"
        assert web.process is not None
        process = psutil.Process(web.process.pid)

        def ask(reader: int, rounds: int) -> set[int | bytes]:
            """Return the statuses, and the body of each answer that is neither a 400 nor a 404."""
            found: set[int | bytes] = set()
            with connections(at, 1, seconds=60) as (client,):
                for number in range(rounds):
                    for place in range(16):
                        strike = (number * 16 + place) * 40 + reader + 100
                        key = f"{CALL}{strike}" if place else "A" * 10_000
                        client.ask(f"GET {LIVE}/greeks/{key}", token)
                    for answer in [client.answer() for _ in range(16)]:
                        found.add(answer.status if answer.status in (400, 404) else answer.body)
            return found

        with ThreadPoolExecutor(40) as pool:
            assert set().union(*pool.map(lambda reader: ask(reader, 10), range(40))) == {404, 400}
            before = process.memory_info().rss
            with connections(at, 10) as deaf:  # only now: who asks nothing for some seconds is hung up on
                for each in deaf:
                    for _ in range(15):
                        each.ask(f"GET {LIVE}/chain/{UNDERLYING}?strikes=all", token)
                asking = [pool.submit(ask, reader, 50) for reader in range(30)]
                with httpx.Client(base_url=at, headers={"Authorization": alice.headers["Authorization"]}) as good:
                    waits = []
                    while not all(each.done() for each in asking):
                        begun = time.monotonic()
                        assert good.get(f"{LIVE}/greeks/{CALL}20").status_code == 200
                        waits.append(time.monotonic() - begun)
                        time.sleep(0.05)
                assert set().union(*(each.result() for each in asking)) == {404, 400}
                assert max(waits) < 5
        assert process.memory_info().rss - before < 50 << 20
        assert web.metric("http_live_reads_total") > 20_000
        log = (tmp_path / "web.log").read_text()
        assert log.count("\n") < 100


def test_pipelined_reads_are_answered_in_order(address: str, alice: httpx.Client) -> None:
    token = f"Authorization: {alice.headers['Authorization']}"
    keys = [f"{CALL}20", f"{PUT}21", f"{CALL}999", "nonsense", f"{CALL}22"] * 3
    with connections(address, 1) as (client,):
        for key in keys:
            client.ask(f"GET {LIVE}/greeks/{key}", token)
        for key in keys:
            assert key in client.answer().body.decode()


def test_a_broken_state_is_one_line_in_the_log(address: str, alice: httpx.Client, tmp_path: Path) -> None:
    with running_web(tmp_path / "web.log") as web, httpx.Client(base_url=f"http://127.0.0.1:{web.port}") as client:
        for _ in range(50):
            answer = client.get(f"{LIVE}/greeks/{BROKEN}", headers={"Authorization": alice.headers["Authorization"]})
            assert answer.json()["status"] == "unreadable"
        assert (tmp_path / "web.log").read_text().count("cannot be read") == 1
