"""Compare a batch of bad ticks with one of good ticks in the real consumer, including dead letters and acknowledgement.

Both batches have the same number of entries of one underlying. The bad ticks are of every kind that a feed may send:
invalid JSON, missing or malformed times, numbers and strikes out of range, prices of 0, keys of others.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import redis

from bench.live import empty
from signalsite.embedded import state as places
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.state import CHECKOUT, own_state_dir

TICKS = int(os.environ.get("BAD_TICKS", "20000"))
ROUNDS = 3
STREAM = "tick_stream:SIM@NIFTY"
SPOT = "SIM@NIFTY@equity_spot"
EXPIRY = (datetime.now(UTC) + timedelta(days=30)).date()


def run() -> dict[str, float]:
    os.environ["SIGNALSITE_STATE"] = f"{own_state_dir()}-bench"
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        os.environ.pop(name, None)
    with keep_running(wait=True):
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=CHECKOUT, check=True)
        client = redis.Redis.from_url(places.redis_url(places.state_dir()))
        pairs = [(_seconds(client, good), _seconds(client, bad)) for _ in range(ROUNDS)]
        empty(client)
    goods, bads = zip(*pairs, strict=True)
    ratio = median(bad / good for good, bad in pairs)
    print(f"\n{TICKS:,} bad ticks beside as many good ones, XREADGROUP to XACK, median of {ROUNDS} rounds")
    print(f"  good {median(goods):6.2f} s   bad {median(bads):6.2f} s   ratio {ratio:.2f}")
    return {"doors.bad_tick_ratio": ratio}


def good(number: int) -> str:
    strike = 20_000 + 50 * (number % 100)
    key = f"SIM@NIFTY@equity_options@{EXPIRY}@{('call', 'put')[number % 2]}@{strike}"
    return json.dumps({"instrument_key": key, "ltt": time.time(), "ltp": 100.0, "bid": 99.5, "ask": 100.5, "oi": 75})


def bad(number: int) -> str:
    tick: dict[str, Any] = {"instrument_key": SPOT, "ltt": time.time(), "ltp": 24_000.0}
    return KINDS[number % len(KINDS)](tick)


KINDS: Sequence[Callable[[dict[str, Any]], str]] = (
    lambda tick: json.dumps(tick)[:-5],
    lambda tick: json.dumps({**tick, "ltt": ""}),
    lambda tick: json.dumps({**tick, "ltt": '2026-11-02T10:00:00"+05:30'}),
    lambda tick: json.dumps({**tick, "ltt": time.time() + 86_400}),
    lambda tick: json.dumps({**tick, "ltp": 10**400}),
    lambda tick: json.dumps({**tick, "ltp": "NaN"}),
    lambda tick: json.dumps({**tick, "ltp": 0}),
    lambda tick: json.dumps({**tick, "note": 0})[:-2] + "1e400}",
    lambda tick: json.dumps({**tick, "instrument_key": f"SIM@NIFTY@equity_options@{EXPIRY}@call@{'9' * 20}"}),
    lambda tick: json.dumps({**tick, "instrument_key": "SIM@NOBODY@equity_spot"}),
    lambda tick: json.dumps({**tick, "instrument_key": f"SIM@NIFTY@equity_options@2099-01-01@call@{tick['ltt']:.0f}"}),
)


def _seconds(client: "redis.Redis", make: Callable[[int], str]) -> float:
    """Return the seconds for all entries, measured without the first tenth, so that startup does not count."""
    empty(client)
    for begin in range(0, TICKS, 2_000):
        with client.pipeline(transaction=False) as pipeline:
            for number in range(begin, min(begin + 2_000, TICKS)):
                pipeline.xadd(STREAM, {"data": make(number)})
            pipeline.execute()
    command = [sys.executable, "manage.py", "consume_ticks", "--write-back", "off"]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log) as child:
        try:
            return _watch(client, child)
        finally:
            child.terminate()
            child.wait(30)


def _watch(client: "redis.Redis", child: "subprocess.Popen[bytes]") -> float:
    begun, first = 0.0, 0
    deadline = time.monotonic() + 300
    while True:
        groups = client.xinfo_groups(STREAM)
        done = sum((group["entries-read"] or 0) - group["pending"] for group in groups)
        now = time.monotonic()
        if child.poll() is not None or now > deadline:
            raise SystemExit(f"the consumer got to {done} of {TICKS}")
        if not begun and done >= TICKS / 10:
            begun, first = now, done
        if begun and done >= TICKS:
            return (now - begun) * TICKS / max(TICKS - first, 1)
        time.sleep(0.02)


if __name__ == "__main__":
    run()
