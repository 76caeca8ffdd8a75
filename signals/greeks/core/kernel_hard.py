# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""The options that the vector code leaves: why there is no volatility, or a slow and certain solution.

Same formulas as kernel_iv.py, one option at a time, with the library's exp and log (any magnitude, subnormal prices), a
bracket around the root, and the answer accepted only if it gives the price back.
"""

import math

from .kernel_compile import block, inlined
from .kernel_iv import ROUNDING, householder_step, price_bracket, start_lower, start_upper
from .kernel_math import INV_SQRT_2PI, INV_SQRT_PI, SQRT_2, SQRT_HALF, erfcx
from .status import Status

OK = int(Status.OK)
BELOW_INTRINSIC = int(Status.BELOW_INTRINSIC)
ABOVE_MAXIMUM = int(Status.ABOVE_MAXIMUM)
NO_TIME_VALUE = int(Status.NO_TIME_VALUE)
EXPIRED = int(Status.EXPIRED)
BAD_INPUT = int(Status.BAD_INPUT)
NOT_CONVERGED = int(Status.NOT_CONVERGED)

SMALL = 1e-5  # total volatility under which the difference of two erfcx is replaced by its derivative
NARROW = 1e-7  # of a fourth-order step that ends the iteration
ROUND_TRIP = 1e-9  # relative error of the time value (or of the distance from the maximum) that is accepted
MAXIMUM_STEPS = 200
SMALLEST_S, LARGEST_S = 1e-100, 1e100  # beyond them gamma leaves the range of doubles


@inlined
def contract_status(underlying, strike, time, rate, carry, sign):  # pragma: no cover - compiled
    """OK, EXPIRED or BAD_INPUT. `carry` is the rate for Black-76."""
    if not math.isfinite(time):
        return BAD_INPUT
    if time <= 0.0:
        return EXPIRED
    leg_a = underlying * math.exp(-carry * time)
    leg_b = strike * math.exp(-rate * time)
    usable = abs(sign) == 1.0 and leg_a > 0.0 and leg_b > 0.0 and math.isfinite(leg_a) and math.isfinite(leg_b)
    return OK if usable and underlying > 0.0 and math.isfinite(underlying) and math.isfinite(strike) else BAD_INPUT


@inlined
def price_status(price, leg_a, leg_b, sign):  # pragma: no cover - compiled
    """OK or the reason why no volatility gives this price."""
    if not math.isfinite(price):
        return BAD_INPUT
    noise = ROUNDING * (leg_a + leg_b)
    intrinsic = max(sign * (leg_a - leg_b), 0.0)
    margin = noise if intrinsic > 0.0 else 0.0
    if price < intrinsic - margin:
        return BELOW_INTRINSIC
    if price <= intrinsic + margin:
        return NO_TIME_VALUE
    maximum = leg_a if sign > 0.0 else leg_b
    if price >= maximum - ROUNDING * maximum:
        return ABOVE_MAXIMUM
    return OK


@inlined
def objective(a, upper, log_target, s):  # pragma: no cover - compiled
    """f(s) of kernel_iv, and D."""
    bracket, exponent = price_bracket(a, upper, s)
    if s < SMALL and not upper:
        z = (
            a / s * SQRT_HALF
        )  # the difference over a step of s/sqrt2 is -erfcx'(z) = 2/sqrt(pi) - 2 z erfcx(z) times it
        bracket = s * SQRT_2 * (INV_SQRT_PI - z * erfcx(z))
    return math.log(0.5 * bracket) - exponent - log_target, bracket


@inlined
def start(a, upper, log_target, log_beta):  # pragma: no cover - compiled
    if upper:
        # beta in the upper half lies beyond the inflection point of b, s = sqrt(2a)
        return max(start_upper(log_target), math.sqrt(2.0 * a))
    beta = math.exp(log_beta)
    if a <= 1e-9 * beta:  # at the money: b = s / sqrt(2 pi)
        return beta / INV_SQRT_2PI
    excess = math.log(a) - log_beta
    return start_lower(a, math.log1p(math.exp(excess)) if excess < 700.0 else excess)


@inlined
def solve_bracketed(a, upper, log_target, s):  # pragma: no cover - compiled
    """From a starting s to the root, or NaN if it does not give the target back. f is monotone: its sign narrows
    [low, high]."""
    low = 0.0
    high = math.inf
    for _ in range(MAXIMUM_STEPS):
        f, bracket = objective(a, upper, log_target, s)
        if (f > 0.0) != upper:
            high = min(high, s)
        else:
            low = max(low, s)
        moved = householder_step(a, upper, f, bracket, s)
        if abs(moved - s) <= NARROW * s:
            f, bracket = objective(a, upper, log_target, moved)
            return moved if abs(f) < ROUND_TRIP else math.nan
        if not low < moved < high:
            moved = 2.0 * s if high == math.inf else math.sqrt(max(low, 1e-3 * high) * high)
        s = moved
    return math.nan


@block
def solve_hard(price, underlying, strike, time, rate, carry, sign):  # pragma: no cover - compiled
    """(status, s, ln(A/B), A, B) of one option."""
    status = contract_status(underlying, strike, time, rate, carry, sign)
    if status != OK:
        return status, math.nan, math.nan, math.nan, math.nan
    leg_a = underlying * math.exp(-carry * time)
    leg_b = strike * math.exp(-rate * time)
    status = price_status(price, leg_a, leg_b, sign)
    if status != OK:
        return status, math.nan, math.nan, math.nan, math.nan
    log_moneyness = math.log(leg_a / leg_b) if 1e-300 < leg_a / leg_b < 1e300 else math.log(leg_a) - math.log(leg_b)
    a = abs(log_moneyness)
    time_value = price - max(sign * (leg_a - leg_b), 0.0)
    room = (leg_a if sign > 0.0 else leg_b) - price
    upper = time_value > room
    log_scale = 0.5 * (math.log(leg_a) + math.log(leg_b))
    log_target = math.log(room if upper else time_value) - log_scale
    log_beta = math.log(time_value) - log_scale
    s = solve_bracketed(a, upper, log_target, start(a, upper, log_target, log_beta))
    return (OK if SMALLEST_S < s < LARGEST_S else NOT_CONVERGED), s, log_moneyness, leg_a, leg_b
