"""What an internal function is: columns of bars in, named columns or numbers out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Bars = Mapping[str, np.ndarray]
"""float64 columns of equal length by name: open, high, low, close, volume, timestamp (seconds), session (a number that
is the same for the bars of one session), session_begin (when it opens, in seconds, where that is known), and benchmark
(closes of another instrument) where one is joined."""
Result = Mapping[str, np.ndarray]
COLUMNS = ("open", "high", "low", "close", "volume", "timestamp")
SESSION, SESSION_BEGIN, BENCHMARK = "session", "session_begin", "benchmark"
JOINABLE = {
    "iv": "as greeks:iv, or as the closes of a volatility index, such as bars:NSE@INDIAVIX@equity_spot:close",
    "delta": "as greeks:delta",
    "underlying": "as greeks:underlying_price, or as bars:INSTRUMENT_KEY:close of the underlying",
}
"""Columns of functions of ours that no bars have, and what to join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A parameter of a function: a number within bounds, whole where `whole`, or one of `choices`."""

    name: str
    default: float | int | str
    help: str
    lowest: float = 0.0
    highest: float = 0.0
    whole: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalFunction:
    """A function of ours. `version` increases when the same bars would give another answer."""

    name: str
    version: int
    summary: str
    formula: str
    source: str
    arguments: tuple[Argument, ...]
    outputs: Mapping[str, str]
    needs: tuple[str, ...]
    compute: Callable[[Bars, Mapping[str, Any]], Result]


def windows(values: np.ndarray, length: int) -> np.ndarray:
    """Return every run of `length` values, shape (n - length + 1, length); none where there are fewer."""
    if values.size < length:
        return np.empty((0, length))
    return np.lib.stride_tricks.sliding_window_view(values, length)


def at_end(found: np.ndarray, size: int) -> np.ndarray:
    """Return `found` as the last of `size` values, with NaN for warm-up before it."""
    column = np.full(size, np.nan)
    if found.size:
        column[size - found.size :] = found
    return column


def log_returns(close: np.ndarray) -> np.ndarray:
    """Return ln(close_t / close_t-1), NaN at first and wherever a price is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(close > 0, close, np.nan))
    return np.concatenate((np.full(min(close.size, 1), np.nan), np.diff(logs)))


def quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, NaN where below is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, np.nan, above / below)
