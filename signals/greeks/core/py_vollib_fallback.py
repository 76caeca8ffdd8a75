"""py_vollib for the elements that our solver gives up on."""

from collections.abc import Callable, Sequence

import numpy as np

from signals.greeks.core.status import Status

ROUND_TRIP = 1e-8  # relative error of the price that is accepted
PRICE_ROW = 1


def solve_with_py_vollib(
    model: Callable[..., object],
    columns: Sequence[np.ndarray],
    black76: np.ndarray,
    result: np.ndarray,
    status: np.ndarray,
) -> None:
    """Fill the NOT_CONVERGED elements of `result` (7, n) and `status` if py_vollib's volatility reproduces the price.

    `columns` are price, underlying, strike, expiry_years, rate, dividend_yield and sign; `model` prices them.
    """
    # half a second to import, and hardly ever needed
    from lets_be_rational import implied_volatility_from_a_transformed_rational_guess
    from lets_be_rational.exceptions import VolatilityValueException

    def volatility_or_nan(*option: float) -> float:
        try:
            return float(implied_volatility_from_a_transformed_rational_guess(*option))
        except VolatilityValueException:  # below intrinsic or above the maximum
            return np.nan

    (open_elements,) = np.nonzero(status == Status.NOT_CONVERGED)
    price, underlying, strike, years, rate, dividend_yield, sign = (column[open_elements] for column in columns)
    carry = np.where(black76[open_elements], rate, dividend_yield)
    growth = np.exp(rate * years)
    forward = underlying * np.exp(-carry * years) * growth
    with np.errstate(all="ignore"):
        volatility = np.array(
            [volatility_or_nan(*row) for row in zip(price * growth, forward, strike, years, sign, strict=True)]
        )
    greeks = np.empty((7, open_elements.size))
    greeks_status = np.empty(open_elements.size, np.uint8)
    model(
        volatility, underlying, strike, years, rate, dividend_yield, sign, black76[open_elements], greeks, greeks_status
    )
    good = (greeks_status == Status.OK) & (np.abs(greeks[PRICE_ROW] - price) <= ROUND_TRIP * price)
    greeks[PRICE_ROW] = price
    result[:, open_elements[good]] = greeks[:, good]
    status[open_elements[good]] = Status.OK
