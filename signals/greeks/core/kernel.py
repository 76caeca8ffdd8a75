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
from .kernel_higher import higher_block
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
    volatility, underlying, strike, time, rate, carry, sign, black76, first, count, scratch
):  # pragma: no cover - compiled
    """The rows that greeks_block and higher_block read, from a given volatility; SOLVED = 0.0 where in doubt."""
    full_width_vectors()
    for i in range(count):
        j = first + i
        exponent_r = rate[j] * time[j]
        exponent_q = exponent_r if black76[j] else carry[j] * time[j]
        leg_a = underlying[j] * exp(-exponent_q)
        leg_b = strike[j] * exp(-exponent_r)
        sqrt_time = math.sqrt(time[j])
        s = volatility[j] * sqrt_time
        usable = (
            (abs(sign[j]) == 1.0)
            & (time[j] > 0.0)
            & (time[j] < 1e100)
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
def prepare_hard(
    volatility, underlying, strike, time, rate, carry, sign, black76, first, count, scratch, status
):  # pragma: no cover - compiled
    """Judge what prepare_block left: a status, or the rows computed with the library's exp and log."""
    for i in range(count):
        j = first + i
        status[j] = OK
        if scratch[SOLVED + i] == 1.0:
            continue
        q = rate[j] if black76[j] else carry[j]
        status[j] = contract_status(underlying[j], strike[j], time[j], rate[j], q, sign[j])
        if status[j] == OK:
            scratch[UNDERLYING_LEG + i] = underlying[j] * math.exp(-q * time[j])
            scratch[STRIKE_LEG + i] = strike[j] * math.exp(-rate[j] * time[j])
            scratch[LOG_MONEYNESS + i] = math.log(scratch[UNDERLYING_LEG + i]) - math.log(scratch[STRIKE_LEG + i])
            if not SMALLEST_S < scratch[TOTAL_VOLATILITY + i] < LARGEST_S:
                status[j] = BAD_INPUT


@block
def copy_rows(rows, first, count, scratch, status, result):  # pragma: no cover - compiled
    """Output rows into the result, NaN where there is no answer."""
    for row in range(rows):
        for i in range(count):
            result[row, first + i] = scratch[OUTPUTS + row * BLOCK + i]
    for i in range(count):
        if status[first + i] != OK:
            result[:rows, first + i] = math.nan


@block
def implied_block(
    price, underlying, strike, time, rate, carry, sign, black76, first, count, scratch, result, status
):  # pragma: no cover - compiled
    solve_block(price, underlying, strike, time, rate, carry, sign, black76, first, count, scratch)
    unsolved = 0
    solved = 0.0
    for i in range(count):
        solved += scratch[SOLVED + i]
        status[first + i] = OK
    if solved < count:
        for i in range(count):
            if scratch[SOLVED + i] == 1.0:
                continue
            j = first + i
            q = rate[j] if black76[j] else carry[j]
            code, s, log_moneyness, leg_a, leg_b = solve_hard(
                price[j], underlying[j], strike[j], time[j], rate[j], q, sign[j]
            )
            status[j] = code
            unsolved += code == NOT_CONVERGED
            scratch[LOG_MONEYNESS + i] = log_moneyness
            scratch[TOTAL_VOLATILITY + i] = s
            scratch[UNDERLYING_LEG + i] = leg_a
            scratch[STRIKE_LEG + i] = leg_b
    greeks_block(underlying, time, rate, carry, sign, black76, first, count, scratch)
    for i in range(count):
        scratch[OUTPUTS + BLOCK + i] = price[first + i]
    copy_rows(7, first, count, scratch, status, result)
    return unsolved


@cached_entry(f"i8({_COLUMN}, {_CONTRACT}, {_RESULT})")
def implied(price, underlying, strike, time, rate, carry, sign, black76, result, status):  # pragma: no cover - compiled
    """Rows implied volatility, price, delta, gamma, theta, vega, rho of `result` (7, n); not 0 if any is unsolved."""
    n = price.shape[0]
    unsolved = 0
    scratch = np.empty(SCRATCH)
    first = 0
    while first < n:
        count = min(BLOCK, n - first)
        if count > LANES:
            count -= count % LANES
        elif n > LANES:  # a last part that does not fill the registers would run one option at a time: eight times
            first, count = n - LANES, LANES  # as long. So it starts earlier and does a few options once more.
        unsolved += implied_block(
            price, underlying, strike, time, rate, carry, sign, black76, first, count, scratch, result, status
        )
        first += count
    return unsolved


@cached_entry(f"void({_COLUMN}, {_CONTRACT}, {_RESULT})")
def model(
    volatility, underlying, strike, time, rate, carry, sign, black76, result, status
):  # pragma: no cover - compiled
    """The same rows from a given volatility; price is the model's."""
    scratch = np.empty(SCRATCH)
    for first in range(0, volatility.shape[0], BLOCK):
        count = min(BLOCK, volatility.shape[0] - first)
        prepare_block(volatility, underlying, strike, time, rate, carry, sign, black76, first, count, scratch)
        prepare_hard(volatility, underlying, strike, time, rate, carry, sign, black76, first, count, scratch, status)
        greeks_block(underlying, time, rate, carry, sign, black76, first, count, scratch)
        for i in range(count):
            scratch[OUTPUTS + i] = volatility[first + i]
        copy_rows(7, first, count, scratch, status, result)


@cached_entry(f"void({_COLUMN}, {_CONTRACT}, {_RESULT})")
def higher(
    volatility, underlying, strike, time, rate, carry, sign, black76, result, status
):  # pragma: no cover - compiled
    """Rows vanna, volga, charm, speed, zomma, color of `result` (6, n)."""
    scratch = np.empty(SCRATCH)
    for first in range(0, volatility.shape[0], BLOCK):
        count = min(BLOCK, volatility.shape[0] - first)
        prepare_block(volatility, underlying, strike, time, rate, carry, sign, black76, first, count, scratch)
        prepare_hard(volatility, underlying, strike, time, rate, carry, sign, black76, first, count, scratch, status)
        higher_block(underlying, time, rate, carry, sign, black76, first, count, scratch)
        copy_rows(6, first, count, scratch, status, result)
