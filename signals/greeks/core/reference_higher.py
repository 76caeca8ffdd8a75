"""The numpy and scipy twin of kernel_higher.py."""

import numpy as np
from scipy.special import erfcx

PER_DAY = 1 / 365
PER_POINT = 0.01
SMALL, FAR = 1e-5, 100.0


def write_higher(
    volatility: np.ndarray,
    log_moneyness: np.ndarray,
    underlying: np.ndarray,
    time: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    w: np.ndarray,
    black76: np.ndarray,
    first_order: np.ndarray,
    result: np.ndarray,
) -> None:
    """Write the rows of HigherOrderColumns. `first_order`: the rows of `reference.model`."""
    _, price, delta, gamma, _, vega, _ = first_order
    s = volatility * np.sqrt(time)
    d1 = log_moneyness / s + s / 2
    d2 = d1 - s
    drift = (rate - carry) / s - d2 / (2 * time)
    decay = carry + d1 * drift
    product = np.clip(d1 * d2, -1e150, 1e150)
    result[0] = -vega * d2 / (underlying * s)
    result[1] = vega * product / volatility * PER_POINT
    result[2] = (carry * delta - gamma * underlying * s * drift) * PER_DAY
    result[3] = -gamma * (1 + d1 / s) / underlying
    result[4] = gamma * (product - 1) / volatility * PER_POINT
    result[5] = gamma * (decay + 1 / (2 * time)) * PER_DAY
    result[6] = vega * (decay - 1 / (2 * time)) * PER_DAY
    result[7] = -vega * (product * (1 - product) + d1 * d1 + d2 * d2) * (PER_POINT / volatility) ** 2
    result[8] = np.where(black76, 0.0, -time * underlying * delta * PER_POINT)
    result[9] = _elasticity(w, d1, s, underlying * delta / price)
    result[np.isinf(result)] = np.nan


def _elasticity(w: np.ndarray, d1: np.ndarray, s: np.ndarray, quotient: np.ndarray) -> np.ndarray:
    """Return the quotient of exposure and price, or in the wing and for a tiny s its form without cancellation."""
    own = w * d1
    upper = np.where(w > 0, own, own + s)  # the greater one of w d1 and w d2

    def mills(x: np.ndarray) -> np.ndarray:
        """Return Phi/phi, for x up to about 1e-5."""
        return np.asarray(np.sqrt(np.pi / 2) * erfcx(-x / np.sqrt(2)))

    middle = upper - s / 2
    wing = w * mills(own) / (mills(upper) - mills(upper - s))
    tiny = w * mills(own) / (s * (1 + middle * mills(middle)))
    u, v = -1 / upper, 1 / (s - upper)
    powers = np.stack([u ** (2 * k - j) * v**j for k in range(4) for j in range(2 * k + 1)])
    weights = np.repeat([1, -1, 3, -15], [1, 3, 5, 7])
    x = 1 / own**2
    far = w * (1 - x + 3 * x**2 - 15 * x**3) / (s * np.where(w > 0, v, u) * (weights @ powers))
    return np.select([upper >= s, upper < -FAR, s < SMALL, upper < 0], [quotient, far, tiny, wing], quotient)
