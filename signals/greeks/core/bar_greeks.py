"""Greeks at Open, High, Low and Close of option bars, computed by the same function as all other Greeks."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from signals.greeks.core.columns import GreekColumns
from signals.greeks.core.engine import implied_greeks

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Ohlc(Generic[Value]):
    """One value for each of a bar's four prices."""

    open: Value
    high: Value
    low: Value
    close: Value


def greeks_at_ohlc(
    *,
    option: Ohlc[np.ndarray],
    underlying: Ohlc[np.ndarray],
    expiry_years: Ohlc[np.ndarray],
    strike: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
) -> Ohlc[GreekColumns]:
    """Return implied volatility and Greeks at each of the four prices of n bars.

    `option`, `underlying` and `expiry_years` hold arrays of length n; the rest are scalars or arrays of length n, with
    the meaning and units of engine.implied_greeks.

    The caller pairs each option price with an underlying price and a time, since a bar does not say when its high and
    low were made: the high of a put, for example, goes with the low of the underlying. Elements that do not fit
    together come back as below_intrinsic or above_maximum.
    """
    n = option.open.size

    def four(bars: Ohlc[np.ndarray]) -> np.ndarray:
        return np.concatenate([bars.open, bars.high, bars.low, bars.close])

    def repeated(value: ArrayLike) -> ArrayLike:
        return np.tile(value, 4) if np.ndim(value) else value

    answer = implied_greeks(
        price=four(option),
        underlying=four(underlying),
        expiry_years=four(expiry_years),
        strike=repeated(strike),
        rate=repeated(rate),
        dividend_yield=repeated(dividend_yield),
        sign=repeated(sign),
        black76=repeated(black76),
    )

    def part(k: int) -> GreekColumns:
        return GreekColumns(*(column[k * n : (k + 1) * n] for column in answer))

    return Ohlc(open=part(0), high=part(1), low=part(2), close=part(3))
