# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Ten Greeks of higher order or of other inputs, for blocks of options.

With g = exp(-qT) phi(d1), gamma = g/(S s), vega = S g sqrt(T) and drift = (r - q)/s - d2/(2T) = d(d1)/dT (Haug, "The
Complete Guide to Option Pricing Formulas", 2nd ed. 2007, chapter 2, with b = r - q):

    vanna = d delta / d sigma = -g d2/sigma               volga = d vega / d sigma = vega d1 d2/sigma
    speed = d gamma / d S     = -gamma (1 + d1/s) / S     zomma = d gamma / d sigma = gamma (d1 d2 - 1)/sigma
    charm = -d delta / dT     = w q exp(-qT) Phi(w d1) - g drift
    color = -d gamma / dT     = gamma (q + d1 drift + 1/(2T))
    veta  = -d vega / dT      = vega (q + d1 drift - 1/(2T))                      (Haug: DvegaDtime)
    ultima = d volga / d sigma = -vega (d1 d2 (1 - d1 d2) + d1^2 + d2^2)/sigma^2  (Haug: DvommaDvol)
    dividend rho = d price / dq = -w T A Phi(w d1); 0 for Black-76, whose forward is held (Haug: phi, rho-2)
    elasticity = delta S / price                                                  (also lambda, omega)
"""

import math

from .kernel_compile import block, full_width_vectors, inlined
from .kernel_greeks import LARGEST_D, LARGEST_SQUARE, PER_DAY, PER_POINT
from .kernel_iv import (
    BLOCK,
    LOG_MONEYNESS,
    OUTPUTS,
    SQRT_TIME,
    STRIKE_LEG,
    TOTAL_VOLATILITY,
    UNDERLYING_LEG,
)
from .kernel_math import INV_SQRT_2PI, SQRT_HALF, SQRT_HALF_PI, erfcx, exp

ROWS = 10
HIGHER_SCRATCH = OUTPUTS + ROWS * BLOCK
ELASTICITY = OUTPUTS + 9 * BLOCK
LARGEST_PRODUCT = 1e150  # of d1 and d2: its square is finite, and phi(d1) is zero long before
SMALL_S = 1e-5  # total volatility under which the difference of two Mills ratios is replaced by its derivative
FAR = 100.0  # |d| from which it is replaced by its asymptotic series


@inlined
def finite(x):  # pragma: no cover - compiled
    """NaN for what no double holds: the speed of an underlying of 1e-150, for instance."""
    return x if abs(x) < math.inf else math.nan


@block
def higher_block(underlying, time, rate, carry, sign, black76, scratch):  # pragma: no cover - compiled
    """Output rows vanna .. elasticity, as in HigherOrderColumns, from the rows that prepare_block left."""
    full_width_vectors()
    for i in range(time.shape[0]):
        s = scratch[TOTAL_VOLATILITY + i]
        sqrt_time = scratch[SQRT_TIME + i]
        leg_a = scratch[UNDERLYING_LEG + i]
        leg_b = scratch[STRIKE_LEG + i]
        w = sign[i]
        r = rate[i]
        q = r if black76[i] else carry[i]
        d1 = min(max(scratch[LOG_MONEYNESS + i] / s + 0.5 * s, -LARGEST_D), LARGEST_D)
        d2 = d1 - s
        product = min(max(d1 * d2, -LARGEST_PRODUCT), LARGEST_PRODUCT)
        square = d1 * d1
        bell = exp(-0.5 * square) if square < LARGEST_SQUARE else 0.0
        mills_1 = erfcx(abs(d1) * SQRT_HALF)
        mills_2 = erfcx(abs(d2) * SQRT_HALF)
        tail = 0.5 * bell * mills_1
        phi = 1.0 - tail if w * d1 >= 0.0 else tail
        per_unit = leg_a / underlying[i]
        g = per_unit * INV_SQRT_2PI * bell
        gamma = g / (underlying[i] * s)
        vega = underlying[i] * g * sqrt_time * PER_POINT
        per_volatility = sqrt_time / s * PER_POINT
        half_rate = 0.5 / time[i]
        drift = (r - q) / s - d2 * half_rate
        decay = q + d1 * drift
        scratch[OUTPUTS + i] = finite(-g * d2 * per_volatility)
        scratch[OUTPUTS + BLOCK + i] = finite(vega * product * per_volatility)
        scratch[OUTPUTS + 2 * BLOCK + i] = finite((w * q * per_unit * phi - g * drift) * PER_DAY)
        scratch[OUTPUTS + 3 * BLOCK + i] = finite(-gamma * (1.0 + d1 / s) / underlying[i])
        scratch[OUTPUTS + 4 * BLOCK + i] = finite(gamma * (product - 1.0) * per_volatility)
        scratch[OUTPUTS + 5 * BLOCK + i] = finite(gamma * (decay + half_rate) * PER_DAY)
        scratch[OUTPUTS + 6 * BLOCK + i] = finite(vega * (decay - half_rate) * PER_DAY)
        bend = product * (1.0 - product) + square + d2 * d2
        scratch[OUTPUTS + 7 * BLOCK + i] = finite(-vega * bend * per_volatility * per_volatility)
        exposure = leg_a * phi
        scratch[OUTPUTS + 8 * BLOCK + i] = 0.0 if black76[i] else finite(-w * time[i] * exposure * PER_POINT)
        # A phi(d1) = B phi(d2) drops out of the ratio out of the money, which is exact even where both underflow
        gap = abs(mills_1 - mills_2)
        same_side = d1 * d2 > 0.0
        density = 0.5 * leg_a * bell
        straddling = (leg_a if w > 0.0 else leg_b) - density * (mills_1 + mills_2)
        price = max(w * (leg_a - leg_b), 0.0) + density * gap if same_side else straddling
        wing = same_side & (w * d1 < 0.0)
        scratch[ELASTICITY + i] = finite(w * (mills_1 if wing else exposure) / (gap if wing else price))


@block
def elasticity_rest(sign, scratch):  # pragma: no cover - compiled
    """The elasticities that higher_block loses to rounding: far out of the money, or of a tiny total volatility."""
    for i in range(sign.shape[0]):
        s = scratch[TOTAL_VOLATILITY + i]
        w = sign[i]
        d = w * scratch[LOG_MONEYNESS + i] / s + 0.5 * s  # the upper one of w d1 and w d2: negative out of the money
        if d < s and (s < SMALL_S or d < -FAR):
            scratch[ELASTICITY + i] = finite(elasticity_outside(w, d, s))


@inlined
def mills_ratio(x):  # pragma: no cover - compiled
    """Phi(x)/phi(x) for x up to about 1e-5."""
    z = abs(x) * SQRT_HALF
    ratio = SQRT_HALF_PI * erfcx(z)
    return 2.0 * SQRT_HALF_PI * math.exp(z * z) - ratio if x > 0.0 else ratio


@block
def elasticity_outside(w, d, s):  # pragma: no cover - compiled
    """w N(w d1) / (N(d) - N(d - s)), where N = Phi/phi and N'(x) = 1 + x N(x). Put-call symmetry: d is d1 or -d2."""
    own = d if w > 0.0 else d - s  # w d1
    if d >= -FAR:
        middle = d - 0.5 * s
        return w * mills_ratio(own) / (s * (1.0 + middle * mills_ratio(middle)))
    u, v = -1.0 / d, -1.0 / (d - s)  # N(-1/u) = u - u^3 + 3 u^5 - 15 u^7 + ...
    x = -1.0 / own
    x = x * x
    first, second, third = u * u, u * v, v * v
    cubes = first + second + third
    fifths = first * first + second * cubes + third * third
    sevenths = first * first * first + second * fifths + third * third * third
    series = 1.0 - x * (1.0 - x * (3.0 - 15.0 * x))
    other = v if w > 0.0 else u
    return w * series / (s * other * (1.0 - cubes + 3.0 * fifths - 15.0 * sevenths))
