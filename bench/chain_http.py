"""Measure the reads of what chains say under a feed of ticks: levels, volatility at the money, deltas.

The live evaluation runs meanwhile. The service and the load generator are those of `bench.reads`.
"""

import time

import redis

from bench.reads import LIVE, TICKS_PER_SECOND, UNDERLYING, Figures, market
from signalsite.embedded import state as places

LEVELS = ("ATM", "ITM1", "ITM5", "OTM1", "OTM5", "ITM", "OTM", "OTM25D")
DELTAS = ("0.05", "0.1", "0.25", "0.33", "0.45")
PATHS = [
    *(f"{LIVE}/moneyness/{UNDERLYING}/greeks/{level}" for level in LEVELS),
    f"{LIVE}/moneyness/{UNDERLYING}/atm-iv",
    *(
        f"{LIVE}/moneyness/{UNDERLYING}/otm-delta?delta={delta}&option_type={side}"
        for delta in DELTAS
        for side in ("call", "put")
    ),
]


def run() -> dict[str, float]:
    with market() as (load, _):
        _wait_for_smiles()
        load.run(32, PATHS, seconds=2)  # request everything once
        rows: dict[str, Figures] = {"one caller": load.run(1, PATHS), "32 callers": load.run(32, PATHS)}
    print(f"\nreads of realtime/moneyness/..., {TICKS_PER_SECOND:,} ticks/s coming in and chains evaluated")
    print(f"  {'':<12} {'answers/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'web, us of processor each':>26}")
    for name, each in rows.items():
        print(f"  {name:<12} {each.per_second:9,.0f} {each.p50:8.2f} {each.p99:8.2f} {each.cost:26,.0f}")
    alone, crowd = rows.values()
    return {
        "chain.http_p99_ms_1": alone.p99,
        "chain.http_p50_ms_1": alone.p50,
        "chain.http_p99_ms_32": crowd.p99,
        "chain.http_per_second_32": crowd.per_second,
    }


def _wait_for_smiles(seconds: float = 60.0) -> None:
    """Wait until everything that is asked for is live."""
    client, deadline = redis.Redis.from_url(places.redis_url(places.state_dir())), time.monotonic() + seconds
    wanted = [*(f"moneyness:{UNDERLYING}:{level}" for level in LEVELS), f"atm:{UNDERLYING}", f"term:{UNDERLYING}"]
    while True:
        names = {name.decode() for name in client.hkeys(f"latest_chains:{UNDERLYING}")}
        if names.issuperset(wanted) and any(name.startswith("smile:") for name in names):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"the consumer publishes no {', '.join(sorted(set(wanted) - names)) or 'smile'}")
        time.sleep(0.5)


if __name__ == "__main__":
    print(run())
