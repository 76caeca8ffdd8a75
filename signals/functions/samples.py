"""Bars and joined columns that a dry run uses where it brings none: random walks, the same each time."""

import numpy as np

from signals.functions.core.joined import indicator_columns
from signals.functions.core.joins import Join, Joins, Kind

BARS = 500
FIRST = 1_767_239_100.0  # 2026-01-01T03:45Z, the opening in Mumbai
_SEED = 2026


def sample_bars(count: int = BARS) -> dict[str, np.ndarray]:
    """Return columns of `count` one-minute bars, 375 a session."""
    rng = np.random.default_rng(_SEED)
    close = 24_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.0004, count)))
    opened = np.concatenate(([24_000.0], close[:-1]))
    spread = np.abs(rng.normal(0.0, 4.0, (2, count)))
    place = np.arange(count)
    return {
        "open": opened,
        "high": np.maximum(opened, close) + spread[0],
        "low": np.minimum(opened, close) - spread[1],
        "close": close,
        "volume": rng.integers(1_000, 50_000, count).astype(np.float64),
        "timestamp": FIRST + 86_400.0 * (place // 375) + 60.0 * (place % 375),
    }


def sample_joined(joins: Joins, bars: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return columns as they would join to these bars: indicators as they are, Greeks and other instruments made up."""
    found = indicator_columns(joins, {**bars, "time": (bars["timestamp"] * 1e6).astype(np.int64)})
    return {name: found[name] if name in found else _made_up(join, bars) for name, join in joins}


def sample_needed(names: tuple[str, ...], bars: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns among these names that functions of ours need and no bars have."""
    asked = {"iv": "implied_volatility", "delta": "delta", "underlying": "underlying_price"}
    known = {name: Join(kind=Kind.GREEKS, column=column) for name, column in asked.items() if name in names}
    found = {name: _made_up(join, bars) for name, join in known.items()}
    return found | ({"benchmark": bars["close"][::-1].copy()} if "benchmark" in names else {})


def _made_up(join: Join, bars: dict[str, np.ndarray]) -> np.ndarray:
    rng = np.random.default_rng([_SEED, *str(join).encode()])
    walk = np.cumsum(rng.normal(0.0, 0.001, len(bars["close"])))
    if join.kind is Kind.BARS:
        return bars[join.column] * np.exp(walk)
    if join.column in ("underlying_price", "underlying_used", "forward"):
        return bars["close"] * np.exp(walk)
    return {"implied_volatility": 0.15, "volatility_index": 0.15, "delta": 0.5}.get(join.column, 0.05) + walk
