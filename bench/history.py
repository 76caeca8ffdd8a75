"""Measure bars over HTTP: a day of 7-minute bars from minutes, uncached and cached, one caller, no feed.

And a year of minutes: its import, its fold into 13-minute bars beside pandas, over HTTP too. And the share of hits of a
replayed mix of requests: 6,000 requests for 200 charts (40 days, 5 timeframes), whose popularity falls with its rank
(Zipf, exponent 1.1), 2 % for a timeframe that nobody asks for twice, and 30 minutes that are mended on the way. The
caller is Python's http.client, on the same cores.
"""

import http.client
import json
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import redis

from bench.service import MAKE_USER, manage
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.service import running_service
from signalsite.embedded.state import CHECKOUT, own_state_dir

KEY = "NSE@BENCH@equity_spot"
BARS = f"/api/v2/signals/historical/bars/{KEY}"
SAMPLES = 1_000
REQUESTS, CHARTS, ONCE, MENDED = 6_000, 200, 0.02, 30
TIMEFRAMES = ("1m", "5m", "7m", "15m", "1h")
_PAGES = re.compile(r'^signal_service_bars_pages_total\{source="(\w+)"\} (\S+)$', re.MULTILINE)
_MEND = """
UPDATE historical_data SET volume = volume + 1
WHERE instrument_key = %s AND interval = '1m' AND time = %s::date + interval '4 hours'
"""


class Caller:
    """One connection that is kept."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> tuple[float, bytes]:
        """Return the milliseconds of an answer and its body."""
        begun = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        taken = 1000 * (time.perf_counter() - begun)
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300]!r}")
        return taken, body


def run() -> dict[str, float]:
    with serving() as (caller, made, address):
        days: list[str] = made["days"]
        caller.get(day_of(days[0]))  # the first answer of a kind is Django's
        cold, cached = samples(caller, days)
        year = statistics.median(caller.get(f"{year_path()}&limit={9_000 + n}")[0] for n in range(7))
        rate = hit_rate(caller, days, address)
    rows = [
        ("a day of 7m bars, uncached", statistics.median(cold), p99(cold)),
        ("a day of 7m bars, cached", statistics.median(cached), p99(cached)),
    ]
    print(f"\nbars over HTTP, one caller, no feed: {SAMPLES:,} requests each")
    print(f"  {'':<30} {'p50 ms':>8} {'p99 ms':>8}")
    for name, middle, worst in rows:
        print(f"  {name:<30} {middle:8.2f} {worst:8.2f}")
    print(f"\na year, {made['rows']:,} minutes, into 13m bars: {made['year_ms']:.0f} ms, over HTTP {year:.0f} ms;")
    print(f"pandas, the same rows read and resampled: {made['pandas_ms']:.0f} ms")
    print(f"imported at {made['import_rows_per_second']:,.0f} rows/s; hits of the replayed mix: {100 * rate:.1f} %")
    return {
        "history.day_7m_cold_p99_ms": p99(cold),
        "history.day_7m_cached_p99_ms": p99(cached),
        "history.year_13m_ms": made["year_ms"],
        "history.year_13m_http_ms": year,
        "history.pandas_year_13m_ms": made["pandas_ms"],
        "history.import_rows_per_second": made["import_rows_per_second"],
        "history.cache_hit_rate": rate,
    }


def samples(caller: Caller, days: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the times of pages that nobody has asked for, and of the same pages asked for again at once.

    There are fewer days than samples: `limit`, beyond the bars of a day, makes other pages of them.
    """
    cold, cached = [], []
    for number in range(SAMPLES):
        path = day_of(days[number % len(days)], limit=100 + number)
        taken, body = caller.get(path)
        again, same = caller.get(path)
        if body != same or body.count(b'"time"') < 5:
            raise SystemExit(f"{path} has two answers, or few bars: {body[:200]!r}")
        cold.append(taken)
        cached.append(again)
    return cold, cached


def hit_rate(caller: Caller, days: Sequence[str], address: str) -> float:
    """Replay the mix, and return the share of pages that were not made anew."""
    rng = random.Random(5)
    charts = [(day, timeframe) for day in rng.sample(list(days), CHARTS // len(TIMEFRAMES)) for timeframe in TIMEFRAMES]
    rng.shuffle(charts)
    weights = [1 / rank**1.1 for rank in range(1, len(charts) + 1)]
    before = found_in(address)
    with psycopg.connect(**connection_of(places.state_dir()), autocommit=True) as database:
        for number in range(REQUESTS):
            ((day, timeframe),) = rng.choices(charts, weights)
            if number % (REQUESTS // MENDED) == 0 and database.execute(_MEND, [KEY, day]).rowcount != 1:
                raise SystemExit("nothing is mended")
            if rng.random() < ONCE:
                timeframe = f"{2 + number % 1_400}m"
            caller.get(day_of(day, timeframe))
    found = {source: count - before.get(source, 0.0) for source, count in found_in(address).items()}
    return 1 - found["made"] / sum(found.values())


def day_of(day: str, timeframe: str = "7m", limit: int = 1_000) -> str:
    return f"{BARS}?timeframe={timeframe}&start_time={day}&end_time={day}&limit={limit}"


def year_path() -> str:
    return f"{BARS}?timeframe=13m&start_time=2023-01-01&end_time=2023-12-31"


def found_in(address: str) -> dict[str, float]:
    return {source: float(count) for source, count in _PAGES.findall(httpx.get(f"{address}/metrics").text)}


def p99(times: Sequence[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


def connection_of(state: Path) -> dict[str, str]:
    used = places.database(state)
    return {"host": used["HOST"], "port": used["PORT"], "user": used["USER"], "dbname": used["NAME"]}


@contextmanager
def serving() -> Iterator[tuple[Caller, dict, str]]:  # type: ignore[type-arg]
    """Run the service on the benchmarks' own servers, with a year of minutes. Yield a caller and what was made."""
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
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "signalsite.settings"}
        command = [sys.executable, "-m", "bench.history_script", folder]
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        with running_service(Path(folder) / "up.log", "--workers", "1") as running:
            answer = httpx.post(f"{running.address}/api/token", json={"username": "bench", "password": password})
            token = answer.raise_for_status().json()["access"]
            yield Caller(running.address, token), json.loads(done.stdout.splitlines()[-1]), running.address
        client.flushall()


if __name__ == "__main__":
    print(run())
