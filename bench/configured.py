"""Measure what configurations cost the tick consumer: the same ticks without any, and with one of all instruments that
has three indicators and one internal function. It runs its own servers, as `bench.live` does.

The ratio is of processor time for each tick, of the consumer's process: how busy the machine is counts less. Each
instrument has enough minutes of history, so every tick carries every value.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import orjson
import psutil
import psycopg
import redis

from bench import live
from signals.simulator.core.simulated_ticks import Fields
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir
from timeframes.core.tick_stream import tick_stream

ROUNDS = 3
LOADING_SECONDS = 20.0
MINUTES_BEFORE = 810  # stored of each instrument
DOCUMENT = {
    "name": "bench",
    "interval": "1m",
    "indicators": ["rsi", "macd", "bbands"],
    "functions": [{"function": "realised_volatility", "params": {}, "label": "volatility"}],
    "bars": 100,
}
SAVE = """
import django, json, sys
django.setup()
from datetime import UTC, datetime, timedelta
from django.conf import settings
from django.contrib.auth import get_user_model
from signals.configs.services import save
owner, _ = get_user_model().objects.get_or_create(username=settings.CONFIG_STREAM_OWNER)
for document in json.load(sys.stdin):
    save(owner, document, origin="api", now=datetime.now(UTC))
"""
BARS = """
INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, volume, source)
SELECT key, '1m', time, 100 + n %% 7, 108, 99, 100 + n %% 5, 10, 'bench'
FROM unnest(%(keys)s::text[]) key, unnest(%(times)s::timestamptz[]) WITH ORDINALITY AS minutes (time, n)
"""


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    os.environ["SIGNALSITE_REDIS_MAXMEMORY"] = "1gb"
    os.environ["TICK_MAX_LATE_SECONDS"] = "0"  # the last session may be days ago
    with keep_running(wait=True):
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=CHECKOUT, check=True)
        client = redis.Redis.from_url(places.redis_url(places.state_dir()))
        ticks = live.session_ticks()
        _clear()
        without = [measure(client, ticks) for _ in range(ROUNDS)]
        _prepare(ticks)
        with_them = [measure(client, ticks, configured=True) for _ in range(ROUNDS)]
        _clear()
        live.empty(client)
    rate, plain = median(each[0] for each in with_them), median(each[0] for each in without)
    cost, base = min(each[1] for each in with_them), min(each[1] for each in without)
    print(f"\nlive ticks with three indicators and one internal function, {live.CONTRACTS:,} options, one consumer")
    print(f"  ticks/s  {rate:8,.0f}, without {plain:,.0f}")
    print(f"  processor time a tick  {1e6 * cost:6.1f} us, without {1e6 * base:.1f} us: {cost / base:.2f} times")
    return {"live.ticks_per_second_configured": rate, "live.configured_cost_ratio": cost / base}


def measure(client: "redis.Redis", ticks: list[tuple[str, Fields]], *, configured: bool = False) -> tuple[float, float]:
    """Return ticks a second and processor seconds a tick, without the first tenth: then all bars are loaded."""
    _empty(client)
    tenth = len(ticks) // 10
    _feed(client, ticks[:tenth])
    command = [sys.executable, "manage.py", "consume_ticks", "--write-back", "off"]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log) as child:
        try:
            _drain(client, tenth)
            time.sleep(LOADING_SECONDS if configured else 1.0)
            process = psutil.Process(child.pid)
            process.suspend()
            _feed(client, ticks[tenth:])
            before, begun = process.cpu_times(), time.monotonic()
            process.resume()
            _drain(client, len(ticks))
            taken, after = time.monotonic() - begun, process.cpu_times()
        finally:
            child.terminate()
            child.wait(30)
    count = len(ticks) - tenth
    states = [orjson.loads(each) for each in client.lrange("computed_data:NIFTY", -200, -1)]
    lacking = [each for each in states if "null" in orjson.dumps(each.get("configurations", None)).decode()]
    if configured and lacking:
        raise SystemExit(f"{len(lacking)} of the last {len(states)} ticks lack results: {lacking[-1]}")
    return count / taken, (after.user + after.system - before.user - before.system) / count


def _feed(client: "redis.Redis", ticks: list[tuple[str, Fields]]) -> None:
    for begin in range(0, len(ticks), 2_000):
        with client.pipeline(transaction=False) as pipeline:
            for underlying, fields in ticks[begin : begin + 2_000]:
                pipeline.xadd(tick_stream(underlying), {"data": orjson.dumps(fields)})
            pipeline.execute()


def _drain(client: "redis.Redis", count: int) -> None:
    """Wait until so many ticks are acknowledged."""
    deadline = time.monotonic() + 300
    while True:
        try:
            if live.acknowledged(client)[0] >= count:
                return
        except redis.ResponseError:  # the consumer has not made its groups yet
            pass
        if time.monotonic() > deadline:
            raise SystemExit("the consumer does not get to the end")
        time.sleep(0.05)


def _prepare(ticks: list[tuple[str, Fields]]) -> None:
    """Store minutes of each instrument before its first tick, and configurations of all instruments."""
    keys = sorted({str(fields["instrument_key"]) for _, fields in ticks})
    begin = _moment(ticks[0][1]["ltt"]).replace(second=0, microsecond=0)
    with _connect() as connection:
        connection.execute(BARS, {"keys": keys, "times": _minutes(begin)})
    documents = [
        {**DOCUMENT, "name": f"bench-{place}", "instruments": keys[place : place + 500]}
        for place in range(0, len(keys), 500)
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "signalsite.settings"}
    command = [sys.executable, "-c", SAVE]
    subprocess.run(command, cwd=CHECKOUT, env=environment, input=orjson.dumps(documents), check=True)


def _minutes(until: datetime) -> list[datetime]:
    return [until - timedelta(minutes=back) for back in range(MINUTES_BEFORE, 0, -1)]


def _moment(text: Any) -> datetime:
    if isinstance(text, str):
        return datetime.fromisoformat(text).astimezone(UTC)
    return datetime.fromtimestamp(float(text), UTC) if float(text) < 1e11 else datetime.fromtimestamp(text / 1e3, UTC)


def _empty(client: "redis.Redis") -> None:
    """Empty what ticks leave. The minutes of before stay."""
    client.flushall()
    with _connect() as connection:
        connection.execute("TRUNCATE ticks, timeframes_quote, signal_moneyness_greeks, signal_chain_analytics")
        connection.execute("DELETE FROM historical_data WHERE source <> 'bench'")


def _clear() -> None:
    with _connect() as connection:
        connection.execute("TRUNCATE signal_configurations, signal_configuration_results CASCADE")
        connection.execute("TRUNCATE historical_data, ticks, timeframes_quote")


def _connect() -> "psycopg.Connection[Any]":
    settings = places.database(places.state_dir())
    return psycopg.connect(host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=settings["NAME"])


if __name__ == "__main__":
    run()
