"""Measure live reads under a feed of ticks: Greeks by key to one and to 32 callers, a chain to eight.

The same run measures "before": the same requests answered by Django's view on a thread. The load generator is wrk
(Debian: `apt-get install wrk`), on the same cores as web, consumer, feed, PostgreSQL and Redis.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import redis

from bench.service import MAKE_USER, manage
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.service import running_service
from signalsite.embedded.state import CHECKOUT, own_state_dir

TICKS_PER_SECOND = 2_000
MARKET = ("--symbols", "NIFTY", "BANKNIFTY", "--contracts", "400", "--minutes", "0")
UNDERLYING = "SIM@NIFTY"
SECONDS = float(os.environ.get("READS_SECONDS", "8"))
LIVE = "/api/v2/signals/realtime"
DJANGO = "Cookie: sessionid=none"  # with any session cookie, the event loop passes a request to Django
SCRIPT = """
local paths, next = {}, 0
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
function request()
  next = next % #paths + 1
  return wrk.format("GET", paths[next])
end
function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('\\n{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of wrk, and the cost: microseconds of processor time of the web process per request."""

    per_second: float
    p50: float  # ms
    p99: float  # ms
    cost: float


class Load:
    def __init__(self, address: str, token: str, web: psutil.Process, folder: Path) -> None:
        self._address, self._token, self._web, self._folder = address, token, web, folder
        (folder / "load.lua").write_text(SCRIPT)

    def run(self, callers: int, paths: list[str], *, django: bool = False, seconds: float = SECONDS) -> Figures:
        (self._folder / "paths").write_text("\n".join(paths) + "\n")
        command = ["wrk", "-t1", f"-c{callers}", f"-d{seconds:g}s", "-s", str(self._folder / "load.lua")]
        command += ["-H", f"Authorization: Bearer {self._token}", *(("-H", DJANGO) if django else ()), self._address]
        environment = {**os.environ, "PATHS": str(self._folder / "paths")}
        spent = sum(self._web.cpu_times()[:2])
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        spent = sum(self._web.cpu_times()[:2]) - spent
        found = json.loads(output.splitlines()[-1])
        if found["failed"] or not found["requests"]:
            raise SystemExit(f"wrk: {output}")
        rate = found["requests"] / found["seconds"]
        return Figures(rate, found["p50"], found["p99"], 1e6 * spent / found["requests"])


def run() -> dict[str, float]:
    if shutil.which("wrk") is None:
        sys.exit("bench reads needs wrk, a load generator in C: apt-get install wrk")
    with market() as (load, keys):
        greeks, chain = [f"{LIVE}/greeks/{key}" for key in keys], [f"{LIVE}/chain/{UNDERLYING}"]
        load.run(32, greeks, seconds=2)  # request everything once
        rows = {
            "greeks, 32 callers": (load.run(32, greeks, django=True), load.run(32, greeks)),
            "greeks, one caller": (load.run(1, greeks, django=True), load.run(1, greeks)),
            "chain, 8 callers": (load.run(8, chain, django=True), load.run(8, chain)),
        }
    print(f"\nlive reads over HTTP, {TICKS_PER_SECOND:,} ticks/s coming in; before: by Django's view on a thread")
    print(f"  {'':<20} {'':<7} {'answers/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'web, us of processor each':>26}")
    for name, (before, now) in rows.items():
        for when, each in (("before", before), ("now", now)):
            print(f"  {name:<20} {when:<7} {each.per_second:9,.0f} {each.p50:8.2f} {each.p99:8.2f} {each.cost:26,.0f}")
    crowd, alone, chains = (now for _, now in rows.values())
    before_crowd, before_alone, before_chains = (before for before, _ in rows.values())
    return {
        "reads.greeks_per_second": crowd.per_second,
        "reads.greeks_p99_ms_32": crowd.p99,
        "reads.greeks_p50_ms_1": alone.p50,
        "reads.chain_p99_ms_8": chains.p99,
        "reads.greeks_per_second_before": before_crowd.per_second,
        "reads.greeks_p99_ms_32_before": before_crowd.p99,
        "reads.greeks_p50_ms_1_before": before_alone.p50,
        "reads.chain_p99_ms_8_before": before_chains.p99,
    }


@contextmanager
def market() -> Iterator[tuple[Load, list[str]]]:
    """Run the service with a feed of TICKS_PER_SECOND. Yield it with the keys of live options."""
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    os.environ["PASSWORD"] = password = secrets.token_urlsafe(12)
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    with keep_running(wait=True), tempfile.TemporaryDirectory() as folder:
        manage("migrate", "-v0")
        manage("flush", "--noinput", "-v0")
        client = redis.Redis.from_url(places.redis_url(places.state_dir()))
        client.flushall()
        manage("shell", "-v0", "-c", MAKE_USER)
        with running_service(Path(folder) / "up.log", "--workers", "1") as running, feed():
            answer = httpx.post(f"{running.address}/api/token", json={"username": "bench", "password": password})
            token = answer.raise_for_status().json()["access"]
            children = psutil.Process(running.process.pid).children()
            web = next(child for child in children if "signalsite.asgi:application" in child.cmdline())
            yield Load(running.address, token, web, Path(folder)), live_options(client)
        client.flushall()


@contextmanager
def feed() -> Iterator[None]:
    command = [sys.executable, "manage.py", "simulate_market", *MARKET, "--stream", "--rate", str(TICKS_PER_SECOND)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def live_options(client: "redis.Redis", seconds: float = 60.0) -> list[str]:
    """Wait until all of them are live."""
    deadline, before = time.monotonic() + seconds, -1
    while True:
        keys = [name.decode() for name in client.hkeys(f"latest:{UNDERLYING}") if b"_options@" in name]
        keys = [key for key in keys if ":" not in key]
        if len(keys) == before and keys:
            return keys
        if time.monotonic() > deadline:
            raise SystemExit("the consumer publishes no options")
        before = len(keys)
        time.sleep(2.0)


if __name__ == "__main__":
    print(run())
