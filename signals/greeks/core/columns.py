"""The columns that the engine returns, and the conversion of arguments to equal length."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_FLOAT = np.dtype(np.float64)


class GreekColumns(NamedTuple):
    """Arrays of equal length n: float64, NaN where status is not OK; status uint8 (Status).

    The units are py_vollib's.
    """

    implied_volatility: np.ndarray  # decimal, annual: 0.20 is 20 %
    price: np.ndarray  # the given price, or the model's where the volatility was given
    delta: np.ndarray  # per 1.00 of the underlying
    gamma: np.ndarray  # delta per 1.00 of the underlying
    theta: np.ndarray  # per calendar day (annual / 365)
    vega: np.ndarray  # per 0.01 of volatility
    rho: np.ndarray  # per 0.01 of rate
    status: np.ndarray


class HigherOrderColumns(NamedTuple):
    """Arrays of equal length n, as in GreekColumns; NaN also where a value is beyond double range.

    "Per 0.01" is per point of volatility (or of the yield), days are calendar days that pass. Formulas and what is
    held: kernel_higher.py and docs/engine.md.
    """

    vanna: np.ndarray  # delta per 0.01 of volatility
    volga: np.ndarray  # vega (itself per 0.01) per 0.01 of volatility
    charm: np.ndarray  # delta per day that passes
    speed: np.ndarray  # gamma per 1.00 of the underlying
    zomma: np.ndarray  # gamma per 0.01 of volatility
    color: np.ndarray  # gamma per day that passes
    veta: np.ndarray  # vega (itself per 0.01) per day that passes
    ultima: np.ndarray  # volga (itself per 0.01 twice) per 0.01 of volatility
    dividend_rho: np.ndarray  # price per 0.01 of the dividend yield, the spot held; 0 for Black-76, which has no yield
    elasticity: np.ndarray  # relative change of the price per relative change of the underlying: no unit
    status: np.ndarray


def equal_columns(values: tuple[ArrayLike, ...], flags: ArrayLike) -> tuple[Sequence[np.ndarray], np.ndarray]:
    """Return the values as writable contiguous float64 arrays of one length, and the flags as uint8 of that length.

    Scalars are repeated to the length of the arrays. An array that already fits is not copied.
    Raises ValueError for arrays of different lengths or of more than one dimension.
    """
    arrays = [v if type(v) is np.ndarray and v.dtype is _FLOAT else np.asarray(v, _FLOAT) for v in values]
    marks = np.asarray(flags)
    # 1-byte truth values are reinterpreted, anything else is converted
    marks = marks.view(np.uint8) if marks.dtype == np.bool_ else (marks != 0).view(np.uint8)
    n = -1
    for array in (*arrays, marks):
        if array.ndim:
            if array.ndim > 1 or n not in (-1, array.size):
                raise ValueError(f"columns must be scalars or one-dimensional of one length, got {array.shape} and {n}")
            n = array.size
    n = 1 if n < 0 else n
    return [_column(array, n) for array in arrays], _column(marks, n)


def _column(array: np.ndarray, n: int) -> np.ndarray:
    if array.ndim == 0:
        return np.full(n, array)
    return array if array.flags.carray else np.array(array, order="C")  # the kernel takes no read-only array
