"""The numpy and scipy twin of the compiled kernel: the same formulas, the library's functions, no vector tricks.

Tests compare the two; with NUMBA_DISABLE_JIT=1 the engine runs on this one. The entry points match those of kernel.py.
"""

import numpy as np
from numpy.polynomial.polynomial import polyval, polyval2d
from scipy.special import erfcx, ndtr

from signals.greeks.core import kernel_constants as constants
from signals.greeks.core.reference_higher import write_higher
from signals.greeks.core.status import Status

PER_DAY = 1 / 365
PER_POINT = 0.01
ROUNDING = 4 * np.finfo(np.float64).eps
SMALLEST_S, LARGEST_S = 1e-100, 1e100
SMALL, NARROW, ROUND_TRIP, MAXIMUM_STEPS = 1e-5, 1e-7, 1e-9, 200
_LOGNORMAL = np.zeros((6, 6))
for _power, _row in enumerate(constants.LOGNORMAL):
    _LOGNORMAL[_power, : len(_row)] = _row


def vector_width() -> int:
    return 0


def _legs(
    underlying: np.ndarray,
    strike: np.ndarray,
    time: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    sign: np.ndarray,
    status: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the legs A and B, and write EXPIRED and BAD_INPUT to `status`."""
    leg_a, leg_b = underlying * np.exp(-carry * time), strike * np.exp(-rate * time)
    usable = (np.abs(sign) == 1) & (underlying > 0) & np.isfinite(underlying) & np.isfinite(strike)
    usable &= (leg_a > 0) & (leg_b > 0) & np.isfinite(leg_a) & np.isfinite(leg_b)
    status[:] = np.where(usable, Status.OK, Status.BAD_INPUT)
    status[time <= 0] = Status.EXPIRED
    status[~np.isfinite(time)] = Status.BAD_INPUT
    return leg_a, leg_b


def _log_moneyness(leg_a: np.ndarray, leg_b: np.ndarray) -> np.ndarray:
    ratio = leg_a / leg_b
    return np.asarray(np.where((ratio > 1e-300) & (ratio < 1e300), np.log(ratio), np.log(leg_a) - np.log(leg_b)))


def _start(a: np.ndarray, upper: np.ndarray, log_target: np.ndarray, log_beta: np.ndarray) -> np.ndarray:
    u = np.sqrt(np.maximum(-2 * (log_target - np.log(2)), 1e-3))
    quantile = u - polyval(u, [2.515517, 0.802853, 0.010328]) / polyval(u, [1, 1.432788, 0.189269, 0.001308])
    beta = np.exp(log_beta)
    log_ratio = np.logaddexp(0, np.log(a) - log_beta)
    u = np.sqrt(log_ratio)
    normal = a * polyval(u, constants.BACHELIER_BELOW) / (log_ratio * polyval(u, constants.BACHELIER_ABOVE))
    lower = normal / polyval2d(np.minimum(normal**2, 4.5), np.minimum(a, 2.5), _LOGNORMAL)
    lower = np.where(a <= 1e-9 * beta, beta * np.sqrt(2 * np.pi), lower)
    return np.asarray(np.where(upper, np.maximum(2 * quantile, np.sqrt(2 * a)), lower))


def _objective(
    a: np.ndarray, upper: np.ndarray, log_target: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    h, t = a / s, s / 2
    near, far = (h - t) / np.sqrt(2), (h + t) / np.sqrt(2)
    bracket = np.where(upper, erfcx(-near) + erfcx(far), erfcx(near) - erfcx(far))
    z = h / np.sqrt(2)
    derivative = s * np.sqrt(2) * (1 / np.sqrt(np.pi) - z * erfcx(z))
    bracket = np.where((s < SMALL) & ~upper, derivative, bracket)
    return np.log(bracket / 2) - (h * h + t * t) / 2 - log_target, bracket


def _step(a: np.ndarray, upper: np.ndarray, f: np.ndarray, bracket: np.ndarray, s: np.ndarray) -> np.ndarray:
    h = a / s
    g = np.where(upper, -1, 1) * np.sqrt(2 / np.pi) / bracket
    c2 = h * h / s - s / 4
    c3 = c2 * c2 - 3 * (h / s) ** 2 - 0.25
    newton = -f / g
    second, third = c2 - g, c3 - 3 * c2 * g + 2 * g * g
    step = newton * (1 + second * newton / 2) / (1 + newton * (second + third * newton / 6))
    return np.asarray(s + np.clip(step, -s / 2, s))


def _solve(a: np.ndarray, upper: np.ndarray, log_target: np.ndarray, log_beta: np.ndarray) -> np.ndarray:
    """Return the total volatility, NaN where none reproduces the target.

    Bracketed Householder steps go on for the elements that still move.
    """
    s = _start(a, upper, log_target, log_beta)
    low, high = np.zeros_like(s), np.full_like(s, np.inf)
    active = np.arange(s.size)
    for _ in range(MAXIMUM_STEPS):
        a_, upper_, now = a[active], upper[active], s[active]
        f, bracket = _objective(a_, upper_, log_target[active], now)
        above = (f > 0) != upper_
        high[active] = np.where(above, np.minimum(high[active], now), high[active])
        low[active] = np.where(above, low[active], np.maximum(low[active], now))
        moved = _step(a_, upper_, f, bracket, now)
        done = np.abs(moved - now) <= NARROW * now
        low_, high_ = low[active], high[active]
        middle = np.where(np.isinf(high_), 2 * now, np.sqrt(np.maximum(low_, 1e-3 * high_) * high_))
        s[active] = np.where(done | ((low_ < moved) & (moved < high_)), moved, middle)
        active = active[~done]
        if not active.size:
            break
    s[np.abs(_objective(a, upper, log_target, s)[0]) >= ROUND_TRIP] = np.nan
    s[active] = np.nan
    return s


def _write_greeks(
    s: np.ndarray,
    leg_a: np.ndarray,
    leg_b: np.ndarray,
    underlying: np.ndarray,
    time: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    w: np.ndarray,
    black76: np.ndarray,
    result: np.ndarray,
) -> None:
    d1 = _log_moneyness(leg_a, leg_b) / s + s / 2
    d2 = d1 - s
    phi_1, phi_2 = ndtr(w * d1), ndtr(w * d2)
    density = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
    mills = np.sqrt(np.pi / 2) * np.abs(erfcx(np.abs(d1) / np.sqrt(2)) - erfcx(np.abs(d2) / np.sqrt(2)))
    wing = np.maximum(w * (leg_a - leg_b), 0) + leg_a * density * mills
    result[0] = s / np.sqrt(time)
    result[1] = np.where(d1 * d2 > 0, wing, w * (leg_a * phi_1 - leg_b * phi_2))
    result[2] = w * leg_a / underlying * phi_1
    result[3] = leg_a / underlying * density / (underlying * s)
    decay = -leg_a * density * s / (2 * time)
    result[4] = (decay + w * (carry * leg_a * phi_1 - rate * leg_b * phi_2)) * PER_DAY
    result[5] = leg_a * density * np.sqrt(time) * PER_POINT
    result[6] = np.where(black76, -result[1], w * leg_b * phi_2) * time * PER_POINT


@np.errstate(all="ignore")
def implied(
    price: np.ndarray,
    underlying: np.ndarray,
    strike: np.ndarray,
    time: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    sign: np.ndarray,
    black76: np.ndarray,
    result: np.ndarray,
    status: np.ndarray,
) -> int:
    carry = np.where(black76, rate, carry)
    leg_a, leg_b = _legs(underlying, strike, time, rate, carry, sign, status)
    maximum = np.where(sign > 0, leg_a, leg_b)
    intrinsic = np.maximum(sign * (leg_a - leg_b), 0)
    noise = ROUNDING * (leg_a + leg_b)
    margin = np.where(intrinsic > 0, noise, 0)
    judged = [
        ~np.isfinite(price),
        price < intrinsic - margin,
        price <= intrinsic + margin,
        price >= maximum * (1 - ROUNDING),
    ]
    reasons = [Status.BAD_INPUT, Status.BELOW_INTRINSIC, Status.NO_TIME_VALUE, Status.ABOVE_MAXIMUM]
    fine = status == Status.OK
    status[fine] = np.select(judged, reasons, Status.OK)[fine]
    (k,) = np.nonzero(status == Status.OK)
    time_value, room = (price - intrinsic)[k], (maximum - price)[k]
    upper = time_value > room
    log_scale = (np.log(leg_a[k]) + np.log(leg_b[k])) / 2
    log_target = np.log(np.where(upper, room, time_value)) - log_scale
    s = np.full(price.size, np.nan)
    s[k] = _solve(np.abs(_log_moneyness(leg_a, leg_b))[k], upper, log_target, np.log(time_value) - log_scale)
    unsolved = (status == Status.OK) & ~((s > SMALLEST_S) & (s < LARGEST_S))
    status[unsolved] = Status.NOT_CONVERGED
    _write_greeks(s, leg_a, leg_b, underlying, time, rate, carry, sign, black76, result)
    result[1] = price
    result[:, status != Status.OK] = np.nan
    return int(unsolved.sum())


@np.errstate(all="ignore")
def model(
    volatility: np.ndarray,
    underlying: np.ndarray,
    strike: np.ndarray,
    time: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    sign: np.ndarray,
    black76: np.ndarray,
    result: np.ndarray,
    status: np.ndarray,
) -> None:
    carry = np.where(black76, rate, carry)
    leg_a, leg_b = _legs(underlying, strike, time, rate, carry, sign, status)
    s = volatility * np.sqrt(time)
    status[(status == Status.OK) & ~((s > SMALLEST_S) & (s < LARGEST_S))] = Status.BAD_INPUT
    _write_greeks(s, leg_a, leg_b, underlying, time, rate, carry, sign, black76, result)
    result[0] = volatility
    result[:, status != Status.OK] = np.nan


@np.errstate(all="ignore")
def higher(
    volatility: np.ndarray,
    underlying: np.ndarray,
    strike: np.ndarray,
    time: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    sign: np.ndarray,
    black76: np.ndarray,
    result: np.ndarray,
    status: np.ndarray,
) -> None:
    carry = np.where(black76, rate, carry)
    first_order = np.empty((7, volatility.size))
    model(volatility, underlying, strike, time, rate, carry, sign, black76, first_order, status)
    leg_a, leg_b = underlying * np.exp(-carry * time), strike * np.exp(-rate * time)
    log_moneyness = _log_moneyness(leg_a, leg_b)
    write_higher(volatility, log_moneyness, underlying, time, rate, carry, sign, black76, first_order, result)
    result[:, status != Status.OK] = np.nan
