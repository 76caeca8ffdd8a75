"""Implied volatility and Greeks of whole columns of European options.

One cost-of-carry form serves all models: the underlying is worth S exp(-qT) today and the strike K exp(-rT).
Black-Scholes is q = 0, Merton a dividend yield q, Black-76 q = r with S the forward or future. See docs/engine.md.

An element without a result gets NaN and a Status, never an exception and never an invented number.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config
from numpy.typing import ArrayLike

from signals.greeks.core.columns import GreekColumns, HigherOrderColumns, equal_columns
from signals.greeks.core.py_vollib_fallback import solve_with_py_vollib

if not config.DISABLE_JIT:  # type: ignore[attr-defined]
    from signals.greeks.core import kernel
else:  # pragma: no cover - a test runs it in its own process
    from signals.greeks.core import reference as kernel  # type: ignore[no-redef]

_BOOL = np.dtype(np.bool_)
INSTRUCTION_SETS = {0: "scalar", 2: "SSE2", 4: "AVX2", 8: "AVX-512"}  # by doubles in a register


def implied_greeks(
    *,
    price: ArrayLike,
    underlying: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
) -> GreekColumns:
    """Return the volatility at which each option is worth its price, and the Greeks there.

    Arguments are arrays of one length or scalars: `price` and `strike` in the underlying's currency, `underlying` the
    spot (black76 False) or the forward or future (black76 True; dividend_yield is then ignored), `rate` and
    `dividend_yield` continuous and annual, `sign` +1.0 for a call and -1.0 for a put. rho follows the model: Black-76
    holds the forward. Status: BAD_INPUT, EXPIRED (expiry_years <= 0), BELOW_INTRINSIC, NO_TIME_VALUE, ABOVE_MAXIMUM,
    NOT_CONVERGED or OK, the first that applies. Raises ValueError only for arrays of different lengths.
    """
    values = (price, underlying, strike, expiry_years, rate, dividend_yield, sign)
    unsolved, columns, models, result, status = _run(kernel.implied, 7, values, black76)
    if unsolved:
        solve_with_py_vollib(kernel.model, columns, models, result, status)
    return GreekColumns(*(*result, status))


def model_greeks(
    *,
    volatility: ArrayLike,
    underlying: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
) -> GreekColumns:
    """Return price and Greeks at a given volatility (decimal, positive). Other arguments and errors: implied_greeks.

    Status: BAD_INPUT, EXPIRED or OK.
    """
    values = (volatility, underlying, strike, expiry_years, rate, dividend_yield, sign)
    *_, result, status = _run(kernel.model, 7, values, black76)
    return GreekColumns(*(*result, status))


def higher_order_greeks(
    *,
    volatility: ArrayLike,
    underlying: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
) -> HigherOrderColumns:
    """Return vanna, volga, charm, speed, zomma, color, veta, ultima, dividend rho and elasticity at a given volatility.

    Units: HigherOrderColumns. Formulas: Haug, "The Complete Guide to Option Pricing Formulas" (2nd ed. 2007),
    chapter 2. Black-76's charm, color, veta and dividend rho hold the forward. Arguments, status and errors:
    model_greeks.
    """
    values = (volatility, underlying, strike, expiry_years, rate, dividend_yield, sign)
    *_, result, status = _run(kernel.higher, 10, values, black76)
    return HigherOrderColumns(*(*result, status))


def _run(function: Callable[..., Any], rows: int, values: tuple[Any, ...], black76: Any) -> tuple[Any, ...]:
    """Return the kernel's return value, its columns, and what it wrote: `rows` of results, and the status.

    Most callers pass arrays that fit. The kernel checks types and layout fastest, so only lengths are compared here.
    Values without a length, and arrays that the kernel refuses, are converted first.
    """
    try:
        shape = black76.shape
        if black76.dtype is _BOOL and black76.ndim == 1 and [each.shape for each in values] == [shape] * 7:
            models, result, status = black76.view(np.uint8), np.empty((rows, *shape)), np.empty(shape, np.uint8)
            return function(*values, models, result, status), values, models, result, status
    except (AttributeError, TypeError):
        pass  # a list, a scalar, integers, an array that is not contiguous
    columns, models = equal_columns(values, black76)
    result, status = np.empty((rows, models.size)), np.empty(models.size, np.uint8)
    return function(*columns, models, result, status), columns, models, result, status


def instruction_set() -> str:
    """Return what the kernel runs on: AVX-512, AVX2, SSE2, or scalar (no vector code: several times slower)."""
    return INSTRUCTION_SETS[kernel.vector_width()]


def is_vectorised() -> bool:
    return kernel.vector_width() > 0


def warm() -> None:
    """Call every entry point once. The import before it compiles and caches what is missing."""
    contract = {
        "underlying": 100.0,
        "strike": 100.0,
        "expiry_years": 1.0,
        "rate": 0.05,
        "dividend_yield": 0.0,
        "sign": 1.0,
        "black76": False,
    }
    answer = implied_greeks(price=10.0, **contract)
    model_greeks(volatility=answer.implied_volatility, **contract)
    higher_order_greeks(volatility=answer.implied_volatility, **contract)
    from signals.greeks.core import american  # it imports this module

    american.warm()
