# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Price and five Greeks of blocks of options from their total volatility, without branches.

With A = S exp(-qT), B = K exp(-rT), d1 = ln(A/B)/s + s/2, d2 = d1 - s, phi and Phi the normal density and distribution
and w = +1 for a call, -1 for a put:

    price = w [A Phi(w d1) - B Phi(w d2)]
    delta = w exp(-qT) Phi(w d1)               gamma = exp(-qT) phi(d1) / (S s)
    vega  = A phi(d1) sqrt(T) / 100            rho   = w T B Phi(w d2) / 100
    theta = [-A phi(d1) sigma / (2 sqrt(T)) + w (q A Phi(w d1) - r B Phi(w d2))] / 365

Black-76, where q = r and the forward is held: rho = -T price / 100.
"""

from .kernel_compile import block, full_width_vectors
from .kernel_iv import BLOCK, LOG_MONEYNESS, OUTPUTS, SQRT_TIME, STRIKE_LEG, TOTAL_VOLATILITY, UNDERLYING_LEG
from .kernel_math import INV_SQRT_2PI, SQRT_HALF, erfcx, exp

PER_DAY = 1.0 / 365.0
PER_POINT = 0.01  # of volatility or of rate
LARGEST_D = 1e100  # keeps d finite, so that erfcx gets a number
LARGEST_SQUARE = 1416.0  # exp(-d^2/2) beyond it is under the smallest normal double: zero


@block
def greeks_block(underlying, time, rate, carry, sign, black76, scratch):  # pragma: no cover - compiled
    """Output rows price .. rho from the rows that solve_block or prepare_block left. Rows: IV (sigma) first."""
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
        square_1 = d1 * d1
        square_2 = d2 * d2
        bell_1 = exp(-0.5 * square_1) if square_1 < LARGEST_SQUARE else 0.0
        bell_2 = exp(-0.5 * square_2) if square_2 < LARGEST_SQUARE else 0.0
        mills_1 = erfcx(abs(d1) * SQRT_HALF)
        mills_2 = erfcx(abs(d2) * SQRT_HALF)
        tail_1 = 0.5 * bell_1 * mills_1
        tail_2 = 0.5 * bell_2 * mills_2
        phi_1 = 1.0 - tail_1 if w * d1 >= 0.0 else tail_1
        phi_2 = 1.0 - tail_2 if w * d2 >= 0.0 else tail_2
        # The out-of-the-money price keeps its digits in the wing: A phi(d1) = B phi(d2) is taken out of the difference.
        density = leg_a * bell_1
        same_side = d1 * d2 > 0.0
        wing = 0.5 * density * abs(mills_1 - mills_2)
        intrinsic = max(w * (leg_a - leg_b), 0.0)
        price = w * (leg_a * phi_1 - leg_b * phi_2)
        price = intrinsic + wing if same_side else price
        scratch[OUTPUTS + i] = s / sqrt_time
        scratch[OUTPUTS + BLOCK + i] = price
        per_unit = leg_a / underlying[i]
        theta = -0.5 * INV_SQRT_2PI * density * s / time[i] + w * (q * leg_a * phi_1 - r * leg_b * phi_2)
        scratch[OUTPUTS + 2 * BLOCK + i] = w * per_unit * phi_1
        scratch[OUTPUTS + 3 * BLOCK + i] = per_unit * INV_SQRT_2PI * bell_1 / (underlying[i] * s)
        scratch[OUTPUTS + 4 * BLOCK + i] = theta * PER_DAY
        scratch[OUTPUTS + 5 * BLOCK + i] = INV_SQRT_2PI * density * sqrt_time * PER_POINT
        scratch[OUTPUTS + 6 * BLOCK + i] = (-price if black76[i] else w * leg_b * phi_2) * time[i] * PER_POINT
