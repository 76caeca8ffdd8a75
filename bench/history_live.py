"""Measure what bars cost the tick consumer: the same ticks with and without bars, in turn, in one run.

Each round fills the streams anew and lets one consumer empty them, as `bench.live` does. The rounds alternate, so that
both kinds meet the same disturbances. `history.consumer_slowdown` is the fraction of the rate that bars take.
"""

import os
import subprocess
import sys
from statistics import median

import redis

from bench.live import CONTRACTS, empty, measure, session_ticks
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir

ROUNDS = int(os.environ.get("LIVE_ROUNDS", "4"))


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    os.environ["SIGNALSITE_REDIS_MAXMEMORY"] = "1gb"
    rates: dict[str, list[float]] = {"true": [], "false": []}
    with keep_running(wait=True):
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=CHECKOUT, check=True)
        client = redis.Redis.from_url(places.redis_url(places.state_dir()))
        ticks = session_ticks()
        for number in range(ROUNDS):
            for bars in ("true", "false") if number % 2 else ("false", "true"):
                os.environ["TICK_BARS"] = bars
                rates[bars].append(measure(client, ticks, one_field=True, write_back=False))
        del os.environ["TICK_BARS"]
        empty(client)
    with_bars, without = (median(rates[bars]) for bars in ("true", "false"))
    slowdown = 1 - with_bars / without
    print(f"\nbars of live ticks, {CONTRACTS:,} options on 2 underlyings, median of {ROUNDS} rounds each, in turn")
    print(f"  with bars     {with_bars:8,.0f} ticks/s")
    print(f"  without bars  {without:8,.0f} ticks/s")
    print(f"  slowdown      {slowdown:8.1%}")
    return {"history.consumer_slowdown": slowdown}


if __name__ == "__main__":
    run()
