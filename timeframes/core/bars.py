"""Bars and ticks as columns.

Times are int64, microseconds since 1970 in UTC. Numbers are float64, NaN where a value is not known. Prices are as
quoted. Volume and open interest are in units of the underlying.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "open_interest", "trades")


@dataclass(frozen=True, kw_only=True, eq=False)
class BarColumns:
    """Bars in the order of time; `time` is the beginning of each.

    `volume`: traded in the bar. `vwap`: the volume-weighted average price of its trades. `open_interest`: the last in
    the bar. `trades`: how many trades, or ticks that traded.
    """

    time: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    open_interest: Floats
    trades: Floats

    def __len__(self) -> int:
        return len(self.time)

    def __post_init__(self) -> None:
        for name in NUMBERS:
            if len(getattr(self, name)) != len(self):
                raise ValueError(f"{name} has {len(getattr(self, name))} elements, time {len(self)}")

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Self:
        return type(self)(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedBars(BarColumns):
    """Bars made of finer ones. `typical`: whether `vwap` is made of typical prices, (high + low + close) / 3, because
    some part that traded had no average of its own."""

    typical: NDArray[np.bool_]

    def vwap_sources(self) -> list[str | None]:
        """Return trades or typical for each bar, None where there is no average."""
        return [
            None if vwap != vwap else "typical" if typical else "trades"
            for vwap, typical in zip(self.vwap.tolist(), self.typical.tolist(), strict=True)
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class TickColumns:
    """Ticks in the order of time, those of one moment in the order of their entries.

    `volume`: since the session began.
    """

    time: NDArray[np.int64]
    price: Floats
    volume: Floats
    open_interest: Floats

    def __len__(self) -> int:
        return len(self.time)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "TickColumns":
        return TickColumns(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


def join_folded(parts: list[FoldedBars]) -> FoldedBars:
    """Return the bars of parts that follow each other."""
    names = [each.name for each in fields(FoldedBars)]
    if not parts:
        return FoldedBars(**vars(no_bars()), typical=np.empty(0, bool))
    return FoldedBars(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def no_bars() -> BarColumns:
    return BarColumns(time=np.empty(0, np.int64), **{name: np.empty(0) for name in NUMBERS})


def join(parts: list[BarColumns]) -> BarColumns:
    """Return the bars of all parts in the order of time; of one moment in the order of the parts."""
    if not parts:
        return no_bars()
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("time", *NUMBERS)}
    order = np.argsort(columns["time"], kind="stable")
    return BarColumns(**{name: column[order] for name, column in columns.items()})
