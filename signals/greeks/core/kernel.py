# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""The compiled entry points. Loaded from numba's cache at import; `make setup` fills the cache.

All arrays have length n and are contiguous; `black76` and `status` are uint8. One thread, no GIL held: processes share
the work between them (numba's parallel loops do not survive Celery's forks).
"""

import math

import numpy as np

from .kernel_compile import block, cached_entry, full_width_vectors
from .kernel_greeks import greeks_block
from .kernel_hard import BAD_INPUT, LARGEST_S, NOT_CONVERGED, OK, SMALLEST_S, contract_status, solve_hard
from .kernel_higher import HIGHER_SCRATCH, ROWS, elasticity_rest, higher_block
from .kernel_iv import (
    BLOCK,
    LARGEST_EXPONENT,
    LARGEST_LEG,
    LOG_MONEYNESS,
    OUTPUTS,
    SCRATCH,
    SMALLEST_LEG,
    SOLVED,
    SQRT_TIME,
    STRIKE_LEG,
    TOTAL_VOLATILITY,
    UNDERLYING_LEG,
    solve_block,
)
from .kernel_math import exp, log

LANES = 8  # options in one AVX-512 register

_COLUMN = "f8[::1]"
_CONTRACT = ", ".join([_COLUMN] * 6 + ["u1[::1]"])  # underlying, strike, time, rate, carry, sign, black76
_RESULT = "f8[:,::1], u1[::1]"


def vector_width() -> int:
    """Doubles per register in the compiled `implied`: 8, 4 or 2; 0 for scalar code.

    Counted in the optimised intermediate code, which is all that remains of a kernel loaded from the cache.
    """
    (overload,) = implied.overloads.values()
    code = str(overload.library._get_module_for_linking())
    return max((width for width in (2, 4, 8) if code.count(f"fmul contract <{width} x double>") > 100), default=0)


@block
def prepare_block(
    volatility, underlying, strike, time, rate, carry, sign, black76, scratch
):  # pragma: no cover - compiled
    """The rows that greeks_block and higher_block read, from a given volatility; SOLVED = 0.0 where in doubt."""
    full_width_vectors()
    for i in range(time.shape[0]):
        exponent_r = rate[i] * time[i]
        exponent_q = exponent_r if black76[i] else carry[i] * time[i]
        leg_a = underlying[i] * exp(-exponent_q)
        leg_b = strike[i] * exp(-exponent_r)
        sqrt_time = math.sqrt(time[i])
        s = volatility[i] * sqrt_time
        usable = (
            (abs(sign[i]) == 1.0)
            & (time[i] > 0.0)
            & (time[i] < 1e100)
            & (abs(exponent_r) < LARGEST_EXPONENT)
            & (abs(exponent_q) < LARGEST_EXPONENT)
            & (leg_a > SMALLEST_LEG)
            & (leg_a < LARGEST_LEG)
            & (leg_b > SMALLEST_LEG)
            & (leg_b < LARGEST_LEG)
            & (s > SMALLEST_S)
            & (s < LARGEST_S)
        )
        scratch[LOG_MONEYNESS + i] = log(leg_a / leg_b)
        scratch[TOTAL_VOLATILITY + i] = s
        scratch[SOLVED + i] = 1.0 if usable else 0.0
        scratch[SQRT_TIME + i] = sqrt_time
        scratch[UNDERLYING_LEG + i] = leg_a
        scratch[STRIKE_LEG + i] = leg_b


@block
def prepare_hard(underlying, strike, time, rate, carry, sign, black76, scratch, status):  # pragma: no cover - compiled
    """Judge what prepare_block left: a status, or the rows computed with the library's exp and log."""
    for i in range(time.shape[0]):
        status[i] = OK
        if scratch[SOLVED + i] == 1.0:
            continue
        q = rate[i] if black76[i] else carry[i]
        status[i] = contract_status(underlying[i], strike[i], time[i], rate[i], q, sign[i])
        if status[i] == OK:
            leg_a = underlying[i] * math.exp(-q * time[i])
            leg_b = strike[i] * math.exp(-rate[i] * time[i])
            scratch[UNDERLYING_LEG + i] = leg_a
            scratch[STRIKE_LEG + i] = leg_b
            scratch[LOG_MONEYNESS + i] = math.log(leg_a) - math.log(leg_b)
            if not SMALLEST_S < scratch[TOTAL_VOLATILITY + i] < LARGEST_S:
                status[i] = BAD_INPUT


@block
def solve_rest(
    price, underlying, strike, time, rate, carry, sign, black76, scratch, status
):  # pragma: no cover - compiled
    """A status or a slow solution for what solve_block left; the count of NOT_CONVERGED."""
    unsolved = 0
    for i in range(time.shape[0]):
        if scratch[SOLVED + i] == 1.0:
            continue
        q = rate[i] if black76[i] else carry[i]
        code, s, log_moneyness, leg_a, leg_b = solve_hard(
            price[i], underlying[i], strike[i], time[i], rate[i], q, sign[i]
        )
        status[i] = code
        unsolved += code == NOT_CONVERGED
        scratch[LOG_MONEYNESS + i] = log_moneyness
        scratch[TOTAL_VOLATILITY + i] = s
        scratch[UNDERLYING_LEG + i] = leg_a
        scratch[STRIKE_LEG + i] = leg_b
    return unsolved


@block
def copy_rows(rows, first, last, scratch, status, result):  # pragma: no cover - compiled
    """Output rows into columns first .. last - 1 of the result, NaN where there is no answer."""
    for row in range(rows):
        target = result[row, first:last]
        for i in range(target.shape[0]):
            target[i] = scratch[OUTPUTS + row * BLOCK + i]
    for i in range(status.shape[0]):
        if status[i] != OK:
            result[:, first + i] = math.nan


@cached_entry(f"i8({_COLUMN}, {_CONTRACT}, {_RESULT})")
def implied(price, underlying, strike, time, rate, carry, sign, black76, result, status):  # pragma: no cover - compiled
    """Rows implied volatility, price, delta, gamma, theta, vega, rho of `result` (7, n); not 0 if any is unsolved.

    Blocks are slices that start at 0: with an unknown start the compiler would have to allow for negative indices, and
    would gather instead of load.
    """
    full_width_vectors()  # here too: the caller's registers are what inlined loops get
    n = price.shape[0]
    unsolved = 0
    scratch = np.empty(SCRATCH)
    first = 0
    while first < n:
        last = min(first + BLOCK, n)
        if last - first > LANES:
            last -= (last - first) % LANES
        elif n > LANES:  # a last part that does not fill the registers would run one option at a time: eight times
            first = last - LANES  # as long. So it starts earlier and does a few options once more.
        p, s, k, t = price[first:last], underlying[first:last], strike[first:last], time[first:last]
        r, q, w, b = rate[first:last], carry[first:last], sign[first:last], black76[first:last]
        codes = status[first:last]
        codes[:] = OK
        solve_block(p, s, k, t, r, q, w, b, scratch)
        solved = 0.0
        for i in range(last - first):
            solved += scratch[SOLVED + i]
        if solved < last - first:
            unsolved += solve_rest(p, s, k, t, r, q, w, b, scratch, codes)
        greeks_block(s, t, r, q, w, b, scratch)
        for i in range(p.shape[0]):
            scratch[OUTPUTS + BLOCK + i] = p[i]
        copy_rows(7, first, last, scratch, codes, result)
        first = last
    return unsolved


@cached_entry(f"void({_COLUMN}, {_CONTRACT}, {_RESULT})")
def model(
    volatility, underlying, strike, time, rate, carry, sign, black76, result, status
):  # pragma: no cover - compiled
    """The same rows from a given volatility; price is the model's."""
    full_width_vectors()
    scratch = np.empty(SCRATCH)
    for first in range(0, volatility.shape[0], BLOCK):
        last = min(first + BLOCK, volatility.shape[0])
        v, s, k, t = volatility[first:last], underlying[first:last], strike[first:last], time[first:last]
        r, q, w, b = rate[first:last], carry[first:last], sign[first:last], black76[first:last]
        prepare_block(v, s, k, t, r, q, w, b, scratch)
        prepare_hard(s, k, t, r, q, w, b, scratch, status[first:last])
        greeks_block(s, t, r, q, w, b, scratch)
        for i in range(v.shape[0]):
            scratch[OUTPUTS + i] = v[i]
        copy_rows(7, first, last, scratch, status[first:last], result)


@cached_entry(f"void({_COLUMN}, {_CONTRACT}, {_RESULT})")
def higher(
    volatility, underlying, strike, time, rate, carry, sign, black76, result, status
):  # pragma: no cover - compiled
    """Rows vanna .. elasticity of `result` (10, n), in the order of HigherOrderColumns."""
    full_width_vectors()
    scratch = np.empty(HIGHER_SCRATCH)
    for first in range(0, volatility.shape[0], BLOCK):
        last = min(first + BLOCK, volatility.shape[0])
        v, s, k, t = volatility[first:last], underlying[first:last], strike[first:last], time[first:last]
        r, q, w, b = rate[first:last], carry[first:last], sign[first:last], black76[first:last]
        prepare_block(v, s, k, t, r, q, w, b, scratch)
        prepare_hard(s, k, t, r, q, w, b, scratch, status[first:last])
        higher_block(s, t, r, q, w, b, scratch)
        elasticity_rest(w, scratch)
        copy_rows(ROWS, first, last, scratch, status[first:last], result)
