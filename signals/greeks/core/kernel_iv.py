# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Implied volatility: the inverse of Black's formula for blocks of options, without branches.

Everything is in terms of the total volatility s = sigma sqrt(T) and of the out-of-the-money option, normalised by the
geometric mean of the two legs A = S exp(-qT) and B = K exp(-rT):

    a    = |ln(A/B)|                                  distance from the money
    beta = (price - intrinsic) / sqrt(AB)             time value = price of the out-of-the-money option (parity)
    b(s) = exp(-(h^2 + t^2)/2) [erfcx((h-t)/sqrt2) - erfcx((h+t)/sqrt2)] / 2,   h = a/s, t = s/2
    b(inf) = exp(-a/2) = min(A, B)/sqrt(AB)

b is Black's formula with Phi(x) = erfc(-x/sqrt2)/2 and the common exponential taken out, so that no digit is lost in
the wings. To solve b(s) = beta:

1. Start. Bachelier's formula depends on eta = a/s alone and is inverted by a rational function of
   u = sqrt(ln(1 + a/beta)); a polynomial in (s^2, a) carries its answer over to Black's. Relative error under 1.4e-3
   for a <= 2.5, s <= 3. Prices in the upper half of (0, b(inf)) start from an inverse normal distribution instead.
2. Two Householder steps of fourth order on f(s) = ln b(s) - ln beta, or, in the upper half, on
   f(s) = ln(b(inf) - b(s)) - ln(b(inf) - beta). With D the bracket of b (upper half: of b(inf) - b, the sum
   erfcx((h+t)/sqrt2) + erfcx(-(h-t)/sqrt2)):

       b'/b = g = sqrt(2/pi)/D          (upper half: of opposite sign)
       b''/b' = c2 = h^2/s - s/4,       b'''/b' = c3 = c2^2 - 3 h^2/s^2 - 1/4
       f''/f' = c2 - g,                 f'''/f' = c3 - 3 c2 g + 2 g^2
       newton = -f/g,   step = newton (1 + f''/f' newton/2) / (1 + f''/f' newton + f'''/f' newton^2/6)

   where f''/f' newton = c2 newton + f and f'''/f' newton^2 = c3 newton^2 + 3 c2 newton f + 2 f^2 need no division.

3. An element is solved if the second step moved s by less than 1e-5 of itself: then its own error is far below one
   rounding. All others are left to kernel_hard.py.

The start is original to this project; the normalisation, the objective functions and the use of Householder's method
follow P. Jaeckel, "Let's Be Rational" (2015).
"""

import math

from . import kernel_constants as constants
from .kernel_compile import block, full_width_vectors, inlined, polynomial
from .kernel_math import SQRT_HALF, SQRT_HALF_PI, erfcx, exp, log

BLOCK = 256  # options per block: the scratch rows stay in the first-level cache

# Rows of the scratch array. One flat array with constant offsets lets the compiler see that rows do not overlap.
LOG_MONEYNESS = 0  # ln(A/B)
TOTAL_VOLATILITY = BLOCK  # s
SOLVED = 2 * BLOCK  # 1.0 or 0.0
SQRT_TIME = 3 * BLOCK
UNDERLYING_LEG = 4 * BLOCK  # A
STRIKE_LEG = 5 * BLOCK  # B
OUTPUTS = 6 * BLOCK  # the seven output rows; while solving, three of them hold
UPPER = OUTPUTS  # 1.0 or 0.0
LOG_TARGET = OUTPUTS + BLOCK
FIRST_STEP = OUTPUTS + 2 * BLOCK
SCRATCH = OUTPUTS + 7 * BLOCK

# Time value under this share of A + B, or distance from the maximum under this share of it, is rounding noise.
ROUNDING = 4 * 2.220446049250313e-16
LARGEST_EXPONENT = 700.0  # |rT|, |qT|
SMALLEST_LEG, LARGEST_LEG = 1e-150, 1e150  # so that A * B and A / B stay in range
CONVERGED = 1e-5  # of a fourth-order step: what follows would be (1e-5)^4

_bachelier_above = polynomial(constants.BACHELIER_ABOVE)
_bachelier_below = polynomial(constants.BACHELIER_BELOW)
_lognormal_0 = polynomial(constants.LOGNORMAL[0])
_lognormal_1 = polynomial(constants.LOGNORMAL[1])
_lognormal_2 = polynomial(constants.LOGNORMAL[2])
_lognormal_3 = polynomial(constants.LOGNORMAL[3])
_lognormal_4 = polynomial(constants.LOGNORMAL[4])
_LOGNORMAL_5 = constants.LOGNORMAL[5][0]


@inlined
def start_lower(a, log_ratio):  # pragma: no cover - compiled
    """s from a > 0 and log_ratio = ln(1 + a/beta), for beta in the lower half."""
    u = math.sqrt(log_ratio)
    s_normal = a * _bachelier_below(u) / (log_ratio * _bachelier_above(u))  # a / eta
    v = min(s_normal * s_normal, 4.5)
    a = min(a, 2.5)
    correction = _lognormal_4(a) + v * _LOGNORMAL_5
    correction = _lognormal_3(a) + v * correction
    correction = _lognormal_2(a) + v * correction
    correction = _lognormal_1(a) + v * correction
    return s_normal / (_lognormal_0(a) + v * correction)


@inlined
def start_upper(log_target):  # pragma: no cover - compiled
    """s from ln(b(inf) - beta): -2 times the inverse normal distribution (Abramowitz and Stegun 26.2.23)."""
    u = math.sqrt(max(-2.0 * (log_target - 0.6931471805599453), 1e-3))
    above = 2.515517 + u * (0.802853 + u * 0.010328)
    below = 1.0 + u * (1.432788 + u * (0.189269 + u * 0.001308))
    return 2.0 * (u - above / below)


@inlined
def price_bracket(a, upper, s):  # pragma: no cover - compiled
    """D, and (h^2 + t^2)/2: ln b (upper: ln(b(inf) - b)) is ln(D/2) less the latter."""
    h = a * (1.0 / s)
    t = 0.5 * s
    near = (h - t) * SQRT_HALF
    distance = abs(near)
    erfcx_near = erfcx(distance)
    erfcx_far = erfcx((h + t) * SQRT_HALF)
    reflected = 2.0 * exp(min(distance * distance, 500.0)) - erfcx_near  # erfcx(-z) = 2 exp(z^2) - erfcx(z)
    beyond = near > 0.0 if upper else near < 0.0
    erfcx_near = reflected if beyond else erfcx_near
    bracket = erfcx_near + erfcx_far if upper else erfcx_near - erfcx_far
    return bracket, 0.5 * (h * h + t * t)


@inlined
def householder_step(a, upper, f, bracket, s):  # pragma: no cover - compiled
    """s after one step, at most halved or doubled."""
    inverse = 1.0 / s
    h_over_s = a * inverse * inverse
    c2 = a * h_over_s * inverse - 0.25 * s
    c3 = c2 * c2 - 3.0 * h_over_s * h_over_s - 0.25
    newton = f * bracket * SQRT_HALF_PI
    newton = newton if upper else -newton
    x = c2 * newton
    second = x + f
    third = c3 * newton * newton + 3.0 * x * f + 2.0 * f * f
    step = newton * (1.0 + 0.5 * second) / (1.0 + second + third * 0.16666666666666666)
    return s + min(max(step, -0.5 * s), s)


@inlined
def refine(a, upper, log_target, s):  # pragma: no cover - compiled
    bracket, exponent = price_bracket(a, upper, s)
    return householder_step(a, upper, log(0.5 * bracket) - exponent - log_target, bracket, s)


@block
def solve_block(price, underlying, strike, time, rate, carry, sign, black76, scratch):  # pragma: no cover - compiled
    """Total volatility of up to BLOCK options into the scratch rows; SOLVED = 0.0 where in doubt.

    Three short loops and not one long one: the processor then overlaps the work of neighbouring iterations.
    """
    full_width_vectors()
    for i in range(time.shape[0]):
        exponent_r = rate[i] * time[i]
        exponent_q = exponent_r if black76[i] else carry[i] * time[i]
        leg_a = underlying[i] * exp(-exponent_q)
        leg_b = strike[i] * exp(-exponent_r)
        log_moneyness = log(leg_a / leg_b)
        intrinsic = max(sign[i] * (leg_a - leg_b), 0.0)
        time_value = price[i] - intrinsic
        maximum = leg_a if sign[i] > 0.0 else leg_b
        room = maximum - price[i]
        scale = 1.0 / math.sqrt(leg_a * leg_b)
        noise = ROUNDING * (leg_a + leg_b)
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
            & (time_value > (noise if intrinsic > 0.0 else 0.0))
            & (room > ROUNDING * maximum)
        )
        beta = time_value * scale
        upper = time_value > room
        target = room * scale if upper else beta
        log_target = log(target)
        # a = 0 has the limit s = beta sqrt(2 pi), which a tiny distance gives without a branch
        distance = max(abs(log_moneyness), 1e-9 * beta)
        lower_start = start_lower(distance, log(distance + beta) - log_target)
        scratch[LOG_MONEYNESS + i] = log_moneyness
        scratch[TOTAL_VOLATILITY + i] = start_upper(log_target) if upper else lower_start
        scratch[SOLVED + i] = 1.0 if usable & (target > 1e-290) else 0.0
        scratch[SQRT_TIME + i] = math.sqrt(time[i])
        scratch[UNDERLYING_LEG + i] = leg_a
        scratch[STRIKE_LEG + i] = leg_b
        scratch[UPPER + i] = 1.0 if upper else 0.0
        scratch[LOG_TARGET + i] = log_target
    for i in range(time.shape[0]):
        scratch[FIRST_STEP + i] = refine(
            abs(scratch[LOG_MONEYNESS + i]),
            scratch[UPPER + i] > 0.0,
            scratch[LOG_TARGET + i],
            scratch[TOTAL_VOLATILITY + i],
        )
    for i in range(time.shape[0]):
        once = scratch[FIRST_STEP + i]
        twice = refine(abs(scratch[LOG_MONEYNESS + i]), scratch[UPPER + i] > 0.0, scratch[LOG_TARGET + i], once)
        scratch[TOTAL_VOLATILITY + i] = twice
        scratch[SOLVED + i] = scratch[SOLVED + i] if abs(twice - once) < CONVERGED * twice else 0.0
