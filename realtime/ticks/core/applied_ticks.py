"""Ticks as columns, once they are in the book."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.book import Book, Floats, Rows
from realtime.ticks.core.tick import Tick
from signals.greeks.core.prices import QuoteColumns


@dataclass(frozen=True, slots=True)
class AppliedTicks:
    """Ticks that the book has applied. `rows`: each tick's row; `newest`: whether the tick is the newest of its row."""

    ticks: Sequence[Tick]
    quotes: QuoteColumns
    rows: Rows
    newest: NDArray[np.bool_]

    def none(self) -> "AppliedTicks":
        return AppliedTicks((), tick_quotes(()), self.rows[:0], self.newest[:0])


def apply_ticks(book: Book, ticks: Sequence[Tick]) -> AppliedTicks:
    quotes = tick_quotes(ticks)
    return AppliedTicks(ticks, quotes, *book.apply(ticks, quotes))


def tick_quotes(ticks: Sequence[Tick]) -> QuoteColumns:
    def column(name: str) -> Floats:
        return np.array([getattr(tick.fields, name) for tick in ticks], np.float64)

    nothing = np.full(len(ticks), np.nan)
    return QuoteColumns(
        bid=column("bid"),
        ask=column("ask"),
        last=column("ltp"),
        settle=nothing,
        close=nothing,
        volume=column("volume"),
        time=np.array([tick.seconds for tick in ticks], np.float64),
    )


def join_quotes(quotes: QuoteColumns, places: Rows, more: QuoteColumns) -> QuoteColumns:
    """Return `quotes` at these places, followed by `more`."""
    columns = {
        name: np.concatenate([getattr(quotes, name)[places], getattr(more, name)]) for name in QuoteColumns.__slots__
    }
    return QuoteColumns(**columns)
