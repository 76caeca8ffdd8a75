"""Measure scheduled configurations: a thousand due in the same second, by real beat and two worker processes.

ONLY=configs python -m bench. Half of them want Greeks of an option each, half three indicators and the pivots of one of
twenty instruments with 500 minutes of bars. All may begin CONFIG_BAR_DELAY_SECONDS after they are due, and
times count from then. The seeds ask for 100,000 computations a second: beside it stand the values that schedules, jobs
and the live path compute.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg

from bench.service import Market, finish, manage, processor_seconds, serving, simulated_market, submit_keys
from signalsite.embedded import state as places
from signalsite.settings.configs import CONFIG_BAR_DELAY_SECONDS

SCHEDULES, PERIOD, ROUNDS = 1000, 5, 6
OPTIONS, SPOTS, BARS = 20_000, 20, 500
ASKED_BY_SEEDS = 100_000
LIVE_VALUES = 6  # that a tick of an option carries: its volatility, price and four Greeks
_STORE_BARS = f"""
from datetime import timedelta
import numpy as np
from django.utils import timezone
from timeframes.bars.services import record_bars
from timeframes.core.bars import BarColumns
now = int(timezone.now().timestamp()) // 60 * 60
rng = np.random.default_rng(7)
for place in range({SPOTS}):
    close = 100 + np.cumsum(rng.normal(size={BARS} + 200))
    size = len(close)
    time = (now - 60 * np.arange({BARS}, {BARS} - size, -1)) * 1_000_000
    nothing = np.full(size, np.nan)
    record_bars(f"BINANCE@B{{place}}/USDT@crypto_spot", 60, BarColumns(
        time=time, open=close, high=close + 1, low=close - 1, close=close, volume=np.full(size, 5.0),
        vwap=nothing, open_interest=nothing, trades=nothing), source="bench")
"""
_MAKE = """
INSERT INTO signal_configurations (id, owner_id, name, active, version, document, underlyings, interval, frequency,
                                   origin, entry_id, created_at, updated_at, next_due)
SELECT gen_random_uuid(), u.id, 'bench-' || place, true, 1, (%(documents)s::text[])[place]::jsonb, ARRAY[]::text[],
       '1m', %(frequency)s, 'api', '', now(), now(),
       to_timestamp(ceil(extract(epoch FROM now()) / %(period)s + 1) * %(period)s)
FROM auth_user u, generate_series(1, %(count)s) AS place WHERE u.username = 'bench'
"""
_ROUNDS = """
SELECT due, count(*) FILTER (WHERE state = 'done'), extract(epoch FROM max(finished_at) - due)::float8 - %s,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY lateness_ms) FILTER (WHERE state = 'done')
FROM signal_configuration_runs GROUP BY due ORDER BY due
"""
_VALUES = """
SELECT coalesce(sum(values), 0)::int, coalesce(sum(missing), 0)::int FROM signal_computation_metadata WHERE time = %s
"""


def run() -> dict[str, float]:
    with simulated_market(OPTIONS) as market:
        manage("shell", "-v0", "-c", _STORE_BARS)
        with serving(market) as service, _database() as database:
            begun = processor_seconds(service.processes["worker"])
            figures = _scheduled(database, market)
            spent = processor_seconds(service.processes["worker"]) - begun
            jobs = _values_of_jobs(service.client, market)
    figures["service.values_per_second_jobs"] = jobs
    print(f"  processor time of the worker and its two processes, {ROUNDS} rounds: {spent:.1f} s")
    print(f"computations (values) a second; the seeds ask for {ASKED_BY_SEEDS:,}")
    print(f"  {'schedules':<40} {figures['configs.values_per_second']:12,.0f}")
    print(f"  {'a job of ' + format(OPTIONS, ',') + ' options, all columns':<40} {jobs:12,.0f}")
    if live := _stored_figure("live.ticks_per_second_configured") or _stored_figure("live.ticks_per_second"):
        figures["service.values_per_second_live"] = live * LIVE_VALUES
        print(f"  {'the live path (ONLY=live)':<40} {live * LIVE_VALUES:12,.0f}")
    return figures


def _scheduled(database: "psycopg.Connection[Any]", market: Market) -> dict[str, float]:
    values = {
        "documents": [json.dumps(each) for each in _documents(market.keys)],
        "frequency": f"{PERIOD}s",
        "period": PERIOD,
        "count": SCHEDULES,
    }
    database.execute(_MAKE, values)
    rounds: list[Any] = []
    deadline = time.monotonic() + 120
    while len(rounds) < ROUNDS + 1 and time.monotonic() < deadline:  # the first one loads what is loaded once
        time.sleep(1)
        rounds = [
            row for row in database.execute(_ROUNDS, [CONFIG_BAR_DELAY_SECONDS]).fetchall() if row[1] == SCHEDULES
        ]
    database.execute("UPDATE signal_configurations SET active = false")
    if len(rounds) < 2:
        raise SystemExit(f"no two whole rounds of {SCHEDULES} schedules within 120 s")
    rounds = rounds[1:]
    lateness = sorted(row[3] for row in rounds)
    seconds = sorted(row[2] for row in rounds)
    known, missing = database.execute(_VALUES, [rounds[0][0]]).fetchone() or (0, 0)
    worst, median = lateness[-1], seconds[len(seconds) // 2]
    print(f"\n{SCHEDULES:,} configurations due in the same second, {len(rounds)} times; two worker processes")
    print(f"  all are started within {lateness[len(lateness) // 2]:.0f} ms (p99; worst round {worst:.0f} ms)")
    print(f"  all are stored after {median:.2f} s: {known:,} values, and {missing:,} have a reason in their place")
    return {
        "configs.lateness_p99_ms": lateness[len(lateness) // 2],
        "configs.lateness_p99_ms_worst": worst,
        "configs.scheduled_per_second": SCHEDULES / median,
        "configs.values_per_second": known / median,
    }


def _documents(keys: list[str]) -> Iterator[dict[str, Any]]:
    for place in range(SCHEDULES):
        common = {"name": f"bench-{place + 1}", "interval": "1m", "frequency": f"{PERIOD}s", "bars": 200}
        if place % 2:
            greeks = {"columns": ["implied_volatility", "delta", "gamma", "theta", "vega", "rho"], "params": {}}
            yield {**common, "instruments": [keys[place * len(keys) // SCHEDULES]], "greeks": greeks}
        else:
            yield {
                **common,
                "instruments": [f"BINANCE@B{place // 2 % SPOTS}/USDT@crypto_spot"],
                "indicators": ["rsi(length=14)", "macd(fast=12,slow=26,signal=9)", "bbands(length=20)"],
                "functions": [{"function": "pivots", "params": {}, "label": "pivots"}],
            }


def _values_of_jobs(client: httpx.Client, market: Market) -> float:
    """Return how many numbers a second a job of Greeks computes, from its submission to its end."""
    begun = time.perf_counter()
    job = finish(client, submit_keys(client, market.keys))
    seconds = time.perf_counter() - begun
    rows = client.get(job["links"]["results"], params={"limit": 1000}).raise_for_status().json()["data"]
    numbers = sum(isinstance(value, float) for row in rows for value in row.values())
    return numbers / len(rows) * job["request_counts"]["total"] / seconds


def _stored_figure(name: str) -> float | None:
    from bench.__main__ import OUT

    figures: dict[str, float] = json.loads(OUT.read_text()) if OUT.exists() else {}
    return figures.get(name)


@contextmanager
def _database() -> Iterator["psycopg.Connection[Any]"]:
    database = places.database(places.state_dir())
    address = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"], "dbname": database["NAME"]}
    with psycopg.connect(autocommit=True, **address) as connection:
        yield connection


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    print(run())
