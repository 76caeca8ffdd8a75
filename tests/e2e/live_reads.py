"""A small live market in Redis for the tests of live reads, and the metrics of a server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
from django.conf import settings

from realtime.snapshot import chain_shapes
from signalsite.foundation.redis import client as redis_client

LIVE, ALIAS = "/api/v2/signals/realtime", "/api/v2/realtime"
UNDERLYING = "CBOE@RDX"
CALL = f"{UNDERLYING}@equity_options@2099-03-18@call@"
PUT = CALL.replace("call", "put")
BROKEN = f"{CALL}40"
EXPIRY = "2099-03-18"


@contextmanager
def live_market() -> Iterator[None]:
    """A chain of thirty strikes with one unreadable state, and an underlying whose key is not a hash."""
    redis, latest = redis_client(settings.REDIS_URL), f"latest:{UNDERLYING}"

    def state(key: str, price: float | str | None) -> str:
        times = {"time": "2026-03-02T05:30:00.25+00:00", "as_of": "2026-03-02T11:00:01+05:30"}
        return json.dumps({"instrument_key": key, **times, "tick": {"ltp": price}, "greeks": None})

    keys = [f"{side}{strike}" for side in (CALL, PUT) for strike in range(20, 50)]
    redis.hset(latest, mapping={key: state(key, strike) for strike, key in enumerate(keys)})
    redis.hset(f"latest_seq:{UNDERLYING}", mapping=dict.fromkeys(keys, "1-1"))
    redis.hset(latest, f"{UNDERLYING}@equity_spot", state(f"{UNDERLYING}@equity_spot", "33.2"))
    redis.hset(latest, BROKEN, '{"time":"2026-12-01T10:00:00"+05:30","tick":{}}')
    redis.hset(latest, f"chain:{UNDERLYING}:2099-03-18", '{"forward":33.25,"forward_source":"parity"}')
    redis.hset(f"latest_chains:{UNDERLYING}", mapping=chain_states())
    redis.set("latest:CBOE@NONE", "not a hash")
    yield
    redis.delete(latest, f"latest_seq:{UNDERLYING}", f"latest_chains:{UNDERLYING}", "latest:CBOE@NONE")


def chain_states() -> dict[str, bytes]:
    """What the chain says, as the examples of the API have it; the analytics cannot be read."""
    own = {"underlying": UNDERLYING, "expiry": EXPIRY, "as_of": "2026-03-02T05:30:01+00:00"}
    of_expiry = {
        f"moneyness:{UNDERLYING}:ATM": chain_shapes.LEVEL_EXAMPLE,
        f"moneyness:{UNDERLYING}:{EXPIRY}:ATM": chain_shapes.LEVEL_EXAMPLE,
        f"atm:{UNDERLYING}": chain_shapes.ATM_EXAMPLE,
        f"atm:{UNDERLYING}:{EXPIRY}": chain_shapes.ATM_EXAMPLE,
        f"smile:{UNDERLYING}:{EXPIRY}": chain_shapes.SMILE_EXAMPLE,
    }
    states = {topic: orjson.dumps({**_stored(example), **own}) for topic, example in of_expiry.items()}
    term = {**_stored(chain_shapes.TERM_EXAMPLE), "underlying": UNDERLYING, "as_of": own["as_of"]}
    term["expiries"] = [{**term["expiries"][0], "expiry": EXPIRY}]
    return states | {f"term:{UNDERLYING}": orjson.dumps(term), f"analytics:{UNDERLYING}:{EXPIRY}": b'{"as_of":5e400}'}


def _stored(example: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in example.items() if name not in ("seq", "age_seconds")}


def counted(address: str) -> dict[str, float]:
    """The figures of /metrics that count requests, without those of the other addresses."""
    found = {}
    for line in httpx.get(f"{address}/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(("django_http_", "http_live_reads")) and "_created" not in name:
            found[name] = float(value)
    return found


def on_the_loop(address: str) -> float:
    return counted(address)["http_live_reads_total"]
