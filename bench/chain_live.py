"""Measure what evaluations of chains cost the tick consumer: the same ticks with and without them, in turn, in one run.

Each round fills the streams anew and lets one consumer empty them, as `bench.live` does; the ticks are of the last
minutes, since an evaluation leaves out old quotes. The rounds alternate, so that both kinds meet the same disturbances.
`chain.consumer_slowdown` is the fraction of the rate that evaluations take: of two underlyings with 2,700 options, each
second, with smiles, states and rows. python -m bench.chain_live
"""

import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import cast

import redis

from bench.live import TICKS, empty, measure
from signals.simulator.core.simulated_market import simulate_market
from signals.simulator.core.simulated_ticks import Fields, TickSource
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir

ROUNDS = int(os.environ.get("LIVE_ROUNDS", "4"))
CONTRACTS = 2_700
MOST = 0.15


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    os.environ["SIGNALSITE_REDIS_MAXMEMORY"] = "1gb"
    os.environ["TICK_MAX_NEW_CONTRACTS"] = "0"  # the tables know none of them
    rates: dict[str, list[float]] = {"1.0": [], "0": []}
    processor: dict[str, list[float]] = {"1.0": [], "0": []}
    topics: set[str] = set()
    with keep_running(wait=True):
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=CHECKOUT, check=True)
        client = redis.Redis.from_url(places.redis_url(places.state_dir()))
        ticks = recent_ticks()
        for number in range(ROUNDS):
            for seconds in ("1.0", "0") if number % 2 else ("0", "1.0"):
                os.environ["CHAIN_ANALYTICS_SECONDS"] = seconds
                before = children_seconds()
                rates[seconds].append(measure(client, ticks, one_field=True, write_back=False))
                processor[seconds].append(children_seconds() - before)
                if seconds != "0":
                    kept = cast("list[bytes]", client.hkeys("latest_chains:SIM@NIFTY"))
                    topics |= {topic.decode().partition(":")[0] for topic in kept}
        del os.environ["CHAIN_ANALYTICS_SECONDS"], os.environ["TICK_MAX_NEW_CONTRACTS"]
        empty(client)
    if not {"atm", "analytics", "smile", "moneyness", "term"} <= topics:
        raise SystemExit(f"nothing was evaluated: {sorted(topics)[:10]}")
    with_them, without = (median(rates[seconds]) for seconds in ("1.0", "0"))
    slowdown = 1 - with_them / without
    more = median(processor["1.0"]) / median(processor["0"]) - 1
    print(f"\nevaluations of chains, {CONTRACTS:,} options on 2 underlyings, median of {ROUNDS} rounds each, in turn")
    print(f"  with evaluations     {with_them:8,.0f} ticks/s")
    print(f"  without              {without:8,.0f} ticks/s")
    print(f"  slowdown             {slowdown:8.1%}, at most {MOST:.0%}")
    print(f"  processor time       {more:+8.1%} of the consumer and its start, whatever else runs")
    return {"chain.consumer_slowdown": slowdown}


def children_seconds() -> float:
    """Return the processor time of the consumers that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def recent_ticks() -> list[tuple[str, Fields]]:
    """Return a tick of each contract, and then more, up to TICKS, of the last minutes."""
    steps = TICKS // 1_000
    at = datetime.now(UTC) - timedelta(seconds=3 * steps)
    market = simulate_market(seed=7, at=at, symbols=["NIFTY", "BANKNIFTY"], contracts=CONTRACTS, minutes=0)
    source = TickSource(market, seed=7, at=at, flawed=False)
    made = source.chain(at)
    for step in range(1, steps):
        made += source.ticks(1_000, at + timedelta(seconds=3 * step))
    return made[:TICKS]


if __name__ == "__main__":
    run()
