"""A small live market: ticks that the service's consumer prices."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from django.conf import settings

from signalsite.foundation.redis import client as redis_client

LIVE = "/api/v2/signals/realtime"
STRIKES = (90, 100, 110)
_PRICES = (11.2, 4.1, 0.9, 0.8, 3.6, 10.4, 100.0)


def publish_ticks(underlying: str, *, higher: float = 0.0) -> None:
    """Add a tick of each option, then of the spot, which has the chain repriced. `higher`: how much all have risen."""
    redis, now = redis_client(settings.REDIS_URL), datetime.now(UTC)
    expiry = (now + timedelta(days=40)).date().isoformat()
    options = [f"{underlying}@equity_options@{expiry}@{side}@{n}" for side in ("call", "put") for n in STRIKES]
    for key, first in zip([*options, f"{underlying}@equity_spot"], _PRICES, strict=True):
        price = first + higher
        tick = {"instrument_key": key, "ltt": now.isoformat(), "ltp": f"{price:g}", "state": "U", "oi": "10"}
        redis.xadd(f"tick_stream:{underlying}", {**tick, "bid": f"{price - 0.05:g}", "ask": f"{price + 0.05:g}"})


def priced_chain(client: httpx.Client, underlying: str, seconds: float = 30) -> dict[str, Any]:
    """Publish ticks, and return the chain once all of it is priced by parity."""
    publish_ticks(underlying)
    deadline = time.monotonic() + seconds
    while True:
        response = client.get(f"{LIVE}/chain/{underlying}", params={"strikes": "all"})
        if response.status_code == 200:
            found: dict[str, Any] = response.json()
            sides = [row[side] or {} for row in found["strikes"] for side in ("call", "put")]
            states = [(side.get("greeks") or {}).get("status") for side in sides]
            if states == ["ok"] * 2 * len(STRIKES) and found["forward_source"] == "parity":
                return found
        assert time.monotonic() < deadline, response.text
        time.sleep(0.1)
