"""Theta by revaluation: what an option loses by the same moment of the next day."""

from collections.abc import Mapping

import numpy as np

from signals.greeks.core.engine import model_greeks


def next_day_theta(
    contract: Mapping[str, np.ndarray], volatility: np.ndarray, price: np.ndarray, later_years: np.ndarray
) -> np.ndarray:
    """Return the price at T = `later_years`, a calendar day later, less `price`. Unit: price per calendar day.

    `contract` has the arguments of model_greeks. Volatility, rates and the underlying are held: the spot for
    Black-Scholes-Merton, the forward for Black-76, as the instantaneous theta does. Where T is 0 or less by then, the
    later price is the intrinsic value at expiry, max(w (S - K), 0), and the change is that of less than a day.
    Source: the definition; vendors that publish "one-day theta" revalue like this.
    """
    later = model_greeks(volatility=volatility, **{**contract, "expiry_years": later_years})
    expired = np.maximum(contract["sign"] * (contract["underlying"] - contract["strike"]), 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(later_years > 0, later.price, expired) - price)
