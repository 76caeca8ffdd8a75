"""Measure /health under attack: forty silent bodies, forty slow headers, thirty wrong logins a second.

python -m bench.health_attacked. The attackers are a separate process on the same cores. They reconnect at once.
"""

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bench.service import serving, simulated_market

SILENT_BODIES = 40
SLOW_HEADERS = 40
LOGINS_PER_SECOND = 30
SECONDS = 20.0
EVERY_SECONDS = 0.02
UNANSWERED_SECONDS = 30.0  # the time that counts for a request without a response

SILENT = b"POST /api/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
LOGIN = json.dumps({"username": "bench", "password": "a guess"}).encode()

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def run() -> dict[str, float]:
    with simulated_market() as market, serving(market) as service:
        address = str(service.client.base_url)
        at_rest = ask(address, SECONDS / 4)
        with attackers(address):
            time.sleep(2.0)  # until all are connected
            attacked = ask(address, SECONDS)
        after = ask(address, SECONDS / 4)
    print(f"\n/health, milliseconds {'median':>9} {'p99':>9} {'worst':>9}")
    for name, taken in (("at rest", at_rest), ("attacked", attacked), ("afterwards", after)):
        print(f"{name:>21} {statistics.median(taken):>9.1f} {percentile(taken, 99):>9.1f} {max(taken):>9.1f}")
    return {"doors.health_p99_ms_attacked": percentile(attacked, 99), "doors.health_p99_ms": percentile(at_rest, 99)}


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def ask(address: str, seconds: float) -> list[float]:
    """Return the milliseconds of each response, with a new connection for each request."""
    taken = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        connection = HTTPConnection(urlsplit(address).netloc, timeout=UNANSWERED_SECONDS)
        try:
            connection.request("GET", "/health")
            well = connection.getresponse().status == 200
        except OSError:
            well = False
        finally:
            connection.close()
        taken.append((time.perf_counter() - begun if well else UNANSWERED_SECONDS) * 1000)
        time.sleep(max(0.0, begun + EVERY_SECONDS - time.perf_counter()))
    return taken


@contextmanager
def attackers(address: str) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=attack, args=(address,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def attack(address: str) -> None:
    asyncio.run(Attack(address).run())


class Attack:
    """Attack until the process ends."""

    def __init__(self, address: str) -> None:
        at = urlsplit(address)
        self.host, self.port = at.hostname, at.port

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(SILENT_BODIES):
                group.create_task(self.again(self.silent_body))
            for _ in range(SLOW_HEADERS):
                group.create_task(self.again(self.slow_header))
            while True:
                group.create_task(self.once(self.wrong_login))
                await asyncio.sleep(1 / LOGINS_PER_SECOND)

    async def again(self, how: Callable[[Reader, Writer], Awaitable[None]]) -> None:
        while True:
            await self.once(how)
            await asyncio.sleep(0.05)

    async def once(self, how: Callable[[Reader, Writer], Awaitable[None]]) -> None:
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return
        try:
            await how(reader, writer)
        except OSError:  # the service cut us off, as it should
            pass
        finally:
            writer.close()

    async def silent_body(self, reader: Reader, writer: Writer) -> None:
        writer.write(SILENT)
        await reader.read(1)

    async def slow_header(self, reader: Reader, writer: Writer) -> None:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        ended = asyncio.ensure_future(reader.read(1))
        while not ended.done():
            writer.write(b"a")
            await asyncio.wait([ended], timeout=0.5)
        await ended

    async def wrong_login(self, reader: Reader, writer: Writer) -> None:
        head = f"POST /api/token HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\nContent-Type: application/json"
        writer.write(f"{head}\r\nContent-Length: {len(LOGIN)}\r\n\r\n".encode() + LOGIN)
        await reader.read()


if __name__ == "__main__":
    print(run())
