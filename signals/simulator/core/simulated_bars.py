"""The past of a simulated market as one-minute bars of its spots and futures: random walks that end at its prices."""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from signals.simulator.core.simulated_market import TICK, VOLATILITY_INDEX, YEAR_SECONDS, SimulatedMarket
from signals.simulator.core.simulated_ticks import ANNUAL_VOLATILITY, VOLATILITY_OF_THE_INDEX
from timeframes.core.bars import BarColumns
from timeframes.core.grid import microseconds

MINUTE = 60  # seconds
_STEPS = 6  # of a walk in a minute, so that high and low differ from open and close
_LOTS_A_MINUTE = 100


@dataclass(frozen=True, eq=False)
class PastBars:
    """Bar i is of `keys[place[i]]`."""

    keys: list[str]
    place: NDArray[np.int64]
    bars: BarColumns


def past_bars(market: SimulatedMarket, begin: datetime, at: datetime, *, seed: int) -> PastBars:
    """Return one-minute bars of the spots and futures, of [begin, at). The last closes at their prices of `at`.

    A future moves with its spot. The same market, range and seed give the same bars.
    """
    rng = np.random.default_rng((seed, 2))
    end = microseconds(at) // (MINUTE * 1_000_000) * MINUTE * 1_000_000
    time = np.arange(microseconds(begin), end, MINUTE * 1_000_000, dtype=np.int64)
    walks: dict[str, NDArray[np.float64]] = {}  # the price over that at the end, by underlying
    keys: list[str] = []
    blocks: list[dict[str, NDArray[np.float64]]] = []
    for row, key in enumerate(market.instruments):
        if key.product.is_option:
            continue
        if key.underlying not in walks:
            walks[key.underlying] = _walk(len(time), key.symbol, rng)
        last, bid, ask, interest = (
            float(getattr(market.quotes, name)[row]) for name in ("last", "bid", "ask", "open_interest")
        )
        price, unit = (0.5 * (bid + ask), TICK) if key.product.is_future else (last, 0.01)
        block = _prices(price * walks[key.underlying], unit)
        traded = market.lot_sizes[row] * rng.integers(1, 2 * _LOTS_A_MINUTE, len(time)).astype(float)
        unknown = np.full(len(time), np.nan)
        block["volume"] = traded if key.product.is_future else unknown
        block["open_interest"] = np.full(len(time), interest)
        keys.append(str(key))
        blocks.append(block)
    names = ("open", "high", "low", "close", "volume", "open_interest")
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in names}
    unknown = np.full(len(keys) * len(time), np.nan)
    bars = BarColumns(time=np.tile(time, len(keys)), vwap=unknown, trades=unknown, **columns)
    return PastBars(keys, np.repeat(np.arange(len(keys)), len(time)), bars)


def _walk(minutes: int, symbol: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return _STEPS points a minute and one before them; the last is 1."""
    volatility = VOLATILITY_OF_THE_INDEX if symbol == VOLATILITY_INDEX else ANNUAL_VOLATILITY
    step = volatility * math.sqrt(MINUTE / _STEPS / YEAR_SECONDS)
    back = np.cumsum(rng.standard_normal(_STEPS * minutes))[::-1]
    return np.exp(step * np.append(back, 0.0))


def _prices(points: NDArray[np.float64], unit: float) -> dict[str, NDArray[np.float64]]:
    points = np.round(np.round(points / unit) * unit, 2)
    inside = points[:-1].reshape(-1, _STEPS)
    closes = points[_STEPS::_STEPS]
    return {
        "open": inside[:, 0],
        "high": np.maximum(inside.max(axis=1), closes),
        "low": np.minimum(inside.min(axis=1), closes),
        "close": closes,
    }
