"""Measure the tick consumer from XREADGROUP to XACK: Greeks, outputs, persistence. It runs its own servers.

The benchmark fills the streams, then starts one `manage.py consume_ticks` and watches it from outside. The rate is that
of the last nine tenths of the entries, so that startup and registering instruments do not count. Spots, India VIX and
options of two underlyings tick as in `simulate_market --stream`. Chains are repriced at the usual interval.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import orjson
import psycopg
import redis

from signals.simulator.core.simulated_market import simulate_market
from signals.simulator.core.simulated_ticks import Fields, TickSource
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir
from timeframes.core.exchanges import KOLKATA
from timeframes.core.sessions import session_open
from timeframes.core.tick_stream import tick_stream

TICKS = int(os.environ.get("LIVE_TICKS", "120000"))
CONTRACTS = 1_000
ROUNDS = 3


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    os.environ["SIGNALSITE_REDIS_MAXMEMORY"] = "1gb"
    with keep_running(wait=True):
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=CHECKOUT, check=True)
        client = redis.Redis.from_url(places.redis_url(places.state_dir()))
        ticks = session_ticks()
        fast = sorted(measure(client, ticks, one_field=True, write_back=False) for _ in range(ROUNDS))
        full = sorted(measure(client, ticks, one_field=False, write_back=True) for _ in range(ROUNDS))
        print(f"\nlive ticks, {CONTRACTS:,} options on 2 underlyings, one consumer process, XREADGROUP to XACK")
        for what, rates in (("one field, no write-back", fast), ("flat fields and write-back", full)):
            print(f"  {what:<26}  {median(rates):8,.0f} ticks/s, median of {rates[0]:,.0f} to {rates[-1]:,.0f}")
        empty(client)
        latencies = _tick_to_socket(client)
        empty(client)
    return {"live.ticks_per_second": median(fast), "live.ticks_per_second_full": median(full), **latencies}


def session_ticks() -> list[tuple[str, Fields]]:
    """Return TICKS ticks of the last session, 20,000 in a minute, so that minutes begin and end among them."""
    at = session_open("SIM", datetime.now(KOLKATA).date() - timedelta(days=1)) + timedelta(hours=1)
    market = simulate_market(seed=7, at=at, symbols=["NIFTY", "BANKNIFTY"], contracts=CONTRACTS, minutes=0)
    source = TickSource(market, seed=7, at=at, flawed=False)
    steps = range(TICKS // 1_000)
    return [tick for step in steps for tick in source.ticks(1_000, at + timedelta(seconds=3 * step))]


def _tick_to_socket(client: "redis.Redis") -> dict[str, float]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    import django

    django.setup()
    from bench import tick_to_socket

    return tick_to_socket.measure(client)


def measure(client: "redis.Redis", ticks: list[tuple[str, Fields]], *, one_field: bool, write_back: bool) -> float:
    """Return the ticks per second. Every tick must be stored."""
    empty(client)
    for begin in range(0, len(ticks), 2_000):
        with client.pipeline(transaction=False) as pipeline:
            for underlying, fields in ticks[begin : begin + 2_000]:
                entry: dict[str, Any] = {"data": orjson.dumps(fields)} if one_field else fields
                pipeline.xadd(tick_stream(underlying), entry)
            pipeline.execute()
    command = [sys.executable, "manage.py", "consume_ticks", "--write-back", "on" if write_back else "off"]
    os.environ["TICK_MAX_LATE_SECONDS"] = "0"  # the last session may be days ago
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log) as child:
        try:
            seconds, counted = watch(client, len(ticks), child)
        finally:
            child.terminate()
            child.wait(30)
        stored = _sql("SELECT count(*) FROM ticks")
        if stored != len(ticks) or client.xlen("tick_dead_letter"):
            log.seek(0)
            raise SystemExit(f"{stored} of {len(ticks)} ticks were stored\n{log.read().decode()[-2000:]}")
    return counted / seconds


def watch(client: "redis.Redis", total: int, child: "subprocess.Popen[bytes]") -> tuple[float, int]:
    """Return seconds and ticks, without the first tenth, until the copies with state P are done too."""
    begun, first = 0.0, 0
    deadline = time.monotonic() + 300
    while True:
        done, waiting = acknowledged(client)
        now = time.monotonic()
        if child.poll() is not None or now > deadline:
            raise SystemExit(f"the consumer got to {done} of {total}")
        if not begun and done >= total / 10:
            begun, first = now, done
        if begun and not waiting:
            return now - begun, total - first
        time.sleep(0.05)  # watching costs server time


def acknowledged(client: "redis.Redis") -> tuple[int, int]:
    """Return the number of acknowledged entries, and of all others."""
    done = waiting = 0
    for symbol in ("NIFTY", "BANKNIFTY", "INDIAVIX"):
        for group in client.xinfo_groups(tick_stream(f"SIM@{symbol}")):
            done += (group["entries-read"] or 0) - group["pending"]
            waiting += (group["lag"] or 0) + group["pending"]
    return done, waiting


def _sql(query: str) -> int:
    settings = places.database(places.state_dir())
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=settings["NAME"]
    ) as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def empty(client: "redis.Redis") -> None:
    client.flushall()
    settings = places.database(places.state_dir())
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=settings["NAME"]
    ) as connection:
        connection.execute(
            "TRUNCATE ticks, timeframes_quote, historical_data, signal_moneyness_greeks, signal_chain_analytics"
        )


if __name__ == "__main__":
    run()
