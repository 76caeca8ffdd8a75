"""What a Subscription Manager may send: configurations drawn from a seed, then changes of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

INTERVALS = "1m", "5m", "15m"
FREQUENCIES = None, "5s", "bar", "1m", "hourly"
INDICATORS = (
    *("rsi(length=14)", "rsi(length=7)", "ema(length=20)", "sma(length=50)", "macd(fast=12,slow=26,signal=9)"),
    *("bbands(length=20)", "atr(length=14)", "adx(length=14)", "supertrend(length=10)"),
    *("alma(length=10)", "cci(length=20)"),
)
FUNCTIONS = "pivots", "close_zscore", "realised_volatility", "range_position", "drawdown"
WINDOWS = {"1m": 3000, "5m": 600, "15m": 200}
"""Bars that hold the session before, of 24 hours, whenever pivots are asked for."""
GREEKS = "iv", "delta", "gamma", "theta", "vega"
MOST_OPTIONS = 20
DELETES, RESTORES = 0.15, 0.5  # shares of the changes, and of those where something can be restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """`document`: whole for an update, the name alone for a delete."""

    action: str
    document: dict[str, Any]


class SimulatedManager:
    """The same seed and instruments give the same messages. `options` may be empty: then no Greeks are asked for."""

    def __init__(self, *, seed: int, count: int, spots: Sequence[str], options: Sequence[str]) -> None:
        self._drawn = random.Random(seed)
        self._spots, self._options = list(spots), list(options)
        self._names = [f"simulated-{number + 1}" for number in range(count)]
        self._gone: set[str] = set()

    def first(self) -> Iterator[Sent]:
        """Yield the whole set, once."""
        for name in self._names:
            yield Sent(action="update", document=self._document(name))

    def change(self) -> Sent:
        """Change, delete or restore one configuration."""
        there = [name for name in self._names if name not in self._gone]
        if self._gone and (not there or self._drawn.random() < RESTORES):
            name = self._drawn.choice(sorted(self._gone))
            self._gone.discard(name)
            return Sent(action="update", document=self._document(name))
        name = self._drawn.choice(there)
        if self._drawn.random() < DELETES:
            self._gone.add(name)
            return Sent(action="delete", document={"name": name})
        return Sent(action="update", document=self._document(name))

    def _document(self, name: str) -> dict[str, Any]:
        drawn = self._drawn
        document: dict[str, Any] = {
            "name": name,
            "interval": drawn.choice(INTERVALS),
            "frequency": drawn.choice(FREQUENCIES),
        }
        if self._options and drawn.random() < 0.3:
            some = min(drawn.randint(1, MOST_OPTIONS), len(self._options))
            document["instruments"] = sorted(drawn.sample(self._options, some))
            document["greeks"] = sorted(drawn.sample(GREEKS, drawn.randint(1, len(GREEKS))))
            return document
        document["instruments"] = sorted(drawn.sample(self._spots, drawn.randint(1, len(self._spots))))
        document["indicators"] = sorted(drawn.sample(INDICATORS, drawn.randint(1, 4)))
        if drawn.random() < 0.5:
            document["functions"] = [drawn.choice(FUNCTIONS)]
            if document["functions"] == ["pivots"]:
                document["bars"] = WINDOWS[document["interval"]]
        return document
