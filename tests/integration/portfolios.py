"""Two expiries of NIFTY, its future and spot; portfolios of them, asked for over HTTP and as other computations."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from signals.instruments.services import register_instruments
from signalsite.foundation.computations.contract import Params
from signalsite.foundation.computations.registry import find
from timeframes.core.keys import parse_key
from timeframes.models import Quote

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
RATE, SPOT = 0.065, 24_000.0
NIFTY, SPX = "NSE@NIFTY", "CBOE@SPX"
NEAR, FAR = "2026-12-29", "2027-01-26"
FUTURE = f"{NIFTY}@equity_futures@{NEAR}"
STRIKES = range(22_000, 26_001, 250)
ADDRESS = "/api/v2/signals/positions/greeks"
GREEKS = ("delta", "gamma", "theta", "vega", "rho")


def option(strike: float, right: str, expiry: str = NEAR, underlying: str = NIFTY) -> str:
    return f"{underlying}@equity_options@{expiry}@{right}@{strike:g}"


def years(expiry: str) -> float:
    return float((datetime.fromisoformat(f"{expiry}T10:00:00+00:00") - NOW) / timedelta(days=365))


def black(strike: float, right: str, expiry: str, volatility: float) -> float:
    left = years(expiry)
    forward = SPOT * math.exp(RATE * left)
    d1 = (math.log(forward / strike) + volatility**2 * left / 2) / (volatility * math.sqrt(left))
    d2, sign = d1 - volatility * math.sqrt(left), 1.0 if right == "call" else -1.0

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return sign * math.exp(-RATE * left) * (forward * normal(sign * d1) - strike * normal(sign * d2))


@pytest.fixture(autouse=True)
def market() -> None:
    """Two expiries of NIFTY with a smile, its future and spot, and the spot of SPX."""
    prices = {f"{NIFTY}@equity_spot": SPOT, f"{SPX}@equity_spot": 6_000.0, FUTURE: SPOT * math.exp(RATE * years(NEAR))}
    for expiry in (NEAR, FAR):
        for strike in STRIKES:
            volatility = 0.12 + 2.0 * math.log(strike / SPOT) ** 2
            for right in ("call", "put"):
                prices[option(strike, right, expiry)] = black(strike, right, expiry, volatility)
    keys = {key: parse_key(key) for key in prices}
    register_instruments(keys, lot_sizes=[75 if key.startswith(NIFTY) else None for key in keys])
    Quote.objects.bulk_create(
        Quote(instrument_key=key, time=NOW, last=price, volume=10, source="test") for key, price in prices.items()
    )


@pytest.fixture
def http() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user("desk"))
    return client


def post(http: Client, legs: Any, status: int = 200, **asked: Any) -> Any:
    body = {"legs": legs, "params": asked.pop("params", {}), **asked}
    found = http.post(ADDRESS, orjson.dumps(body), content_type="application/json")
    assert found.status_code == status, found.content[:500]
    return orjson.loads(found.content)


def single(name: str, keys: list[str], params: Params | None = None) -> list[dict[str, Any]]:
    """Return the rows of another computation about these instruments."""
    computation = find(name)
    asked = {**computation.defaults, **(params or {})}
    prepared = computation.prepare([keys], NOW, asked)
    answers = computation.evaluate(computation.load(keys, {}, NOW, asked, prepared.context))
    return [dict(zip(answers.columns, row, strict=True)) for row in zip(*answers.columns.values(), strict=True)]


def some_legs(count: int, seed: int = 1, strikes: range = STRIKES) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    keys = [option(k, right, expiry) for expiry in (NEAR, FAR) for k in strikes for right in ("call", "put")]
    return [
        {"instrument_key": str(random.choice(keys)), "quantity": float(random.integers(-20, 21)) * 75}
        for _ in range(count)
    ]


def terms(strike: float, right: str, expiry: str = NEAR) -> dict[str, Any]:
    return {"underlying": "NIFTY", "expiry": expiry, "strike": strike, "option_type": right}
