"""American options to test with, over a wide grid."""

from typing import Any

import numpy as np

from signals.greeks.core.columns import GreekColumns
from signals.greeks.core.status import Status
from tests.core.american_references import quantlib_price

NAMES = ("underlying", "strike", "days", "rate", "dividend_yield", "volatility", "sign")
FLOOR = 1e-6  # of the strike: prices below it are compared with it


def wide(count: int, seed: int) -> dict[str, np.ndarray]:
    """Return options from the whole grid: S/K 0.5 to 2, half of them near the money, a day to three years, volatility
    5 % to 150 %, r -2 % to 10 %, q 0 to 10 %, with r = 0, q = 0 and r = q among them."""
    rng = np.random.default_rng(seed)
    days = np.where(rng.random(count) < 0.3, rng.integers(1, 30, count), rng.integers(1, 1096, count))
    volatility = np.exp(rng.uniform(np.log(0.05), np.log(1.5), count))
    moneyness = rng.uniform(np.log(0.5), np.log(2.0), count)
    near = np.clip(1.5 * volatility * np.sqrt(days / 365) * rng.normal(size=count), np.log(0.5), np.log(2.0))
    rate = np.where(rng.random(count) < 0.1, 0.0, rng.uniform(-0.02, 0.1, count))
    own = np.where(rng.random(count) < 0.2, 0.0, rng.uniform(0.0, 0.1, count))
    return {
        "underlying": 100.0 * np.exp(np.where(rng.random(count) < 0.5, near, moneyness)),
        "strike": np.full(count, 100.0),
        "days": days,
        "rate": rate,
        "dividend_yield": np.where(rng.random(count) < 0.05, np.maximum(rate, 0.0), own),
        "volatility": volatility,
        "sign": np.where(rng.random(count) < 0.5, 1.0, -1.0),
    }


def contract(options: dict[str, np.ndarray], **changes: Any) -> dict[str, Any]:
    kept = {name: options[name] for name in NAMES if name not in ("days", "volatility")}
    return {**kept, "expiry_years": options["days"] / 365, "black76": False, **changes}


def by_quantlib(options: dict[str, np.ndarray], **changes: np.ndarray) -> np.ndarray:
    columns = {**options, **changes}
    return np.array([quantlib_price(*row) for row in zip(*(columns[name].tolist() for name in NAMES), strict=True)])


def none_of(greeks: GreekColumns) -> None:
    assert (greeks.status == Status.OK).all(), np.unique(greeks.status)
