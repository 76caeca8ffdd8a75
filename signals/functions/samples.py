"""Bars that a dry run uses where it brings none: a random walk, the same each time."""

import numpy as np

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
