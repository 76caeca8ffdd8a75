# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Six Greeks of second and third order, for blocks of options.

With g = exp(-qT) phi(d1), gamma = g/(S s) and drift = (r - q)/s - d2/(2T) = d(d1)/dT (Haug, "The Complete Guide to
Option Pricing Formulas", 2nd ed. 2007, chapter 2, with b = r - q):

    vanna = d delta / d sigma = -g d2/sigma               volga = d vega / d sigma = S g sqrt(T) d1 d2/sigma
    speed = d gamma / d S     = -gamma (1 + d1/s) / S     zomma = d gamma / d sigma = gamma (d1 d2 - 1)/sigma
    charm = -d delta / dT     = w q exp(-qT) Phi(w d1) - g drift
    color = -d gamma / dT     = gamma (q + d1 drift + 1/(2T))
"""

from .kernel_compile import block, full_width_vectors
from .kernel_greeks import LARGEST_D, LARGEST_SQUARE, PER_DAY, PER_POINT
from .kernel_iv import BLOCK, LOG_MONEYNESS, OUTPUTS, SQRT_TIME, TOTAL_VOLATILITY, UNDERLYING_LEG
from .kernel_math import INV_SQRT_2PI, SQRT_HALF, erfcx, exp


@block
def higher_block(underlying, time, rate, carry, sign, black76, scratch):  # pragma: no cover - compiled
    """Output rows vanna, volga, charm, speed, zomma, color from the rows that prepare_block left."""
    full_width_vectors()
    for i in range(time.shape[0]):
        s = scratch[TOTAL_VOLATILITY + i]
        sqrt_time = scratch[SQRT_TIME + i]
        r = rate[i]
        q = r if black76[i] else carry[i]
        d1 = min(max(scratch[LOG_MONEYNESS + i] / s + 0.5 * s, -LARGEST_D), LARGEST_D)
        d2 = d1 - s
        square = d1 * d1
        bell = exp(-0.5 * square) if square < LARGEST_SQUARE else 0.0
        tail = 0.5 * bell * erfcx(abs(d1) * SQRT_HALF)
        phi = 1.0 - tail if sign[i] * d1 >= 0.0 else tail
        per_unit = scratch[UNDERLYING_LEG + i] / underlying[i]
        g = per_unit * INV_SQRT_2PI * bell
        gamma = g / (underlying[i] * s)
        per_volatility = sqrt_time / s * PER_POINT
        drift = (r - q) / s - 0.5 * d2 / time[i]
        scratch[OUTPUTS + i] = -g * d2 * per_volatility
        vega = underlying[i] * g * sqrt_time * PER_POINT
        scratch[OUTPUTS + BLOCK + i] = vega * d1 * d2 * per_volatility
        scratch[OUTPUTS + 2 * BLOCK + i] = (sign[i] * q * per_unit * phi - g * drift) * PER_DAY
        scratch[OUTPUTS + 3 * BLOCK + i] = -gamma * (1.0 + d1 / s) / underlying[i]
        scratch[OUTPUTS + 4 * BLOCK + i] = gamma * (d1 * d2 - 1.0) * per_volatility
        scratch[OUTPUTS + 5 * BLOCK + i] = gamma * (q + d1 * drift + 0.5 / time[i]) * PER_DAY
