"""Theta by revaluation: what an option loses by the same moment of the next day."""

from collections.abc import Mapping

import numpy as np

from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.exercise import model_greeks


def next_day_theta(
    contract: Mapping[str, np.ndarray],
    volatility: np.ndarray,
    price: np.ndarray,
    later_years: np.ndarray,
    american: np.ndarray,
    dividends: DividendColumns,
) -> np.ndarray:
    """Return the price at T = `later_years`, a calendar day later, less `price`. Unit: price per calendar day.

    `contract` has the arguments of model_greeks. Volatility, rates and the underlying are held: the spot for
    Black-Scholes-Merton, the forward for Black-76, as the instantaneous theta does. Where T is 0 or less by then, the
    later price is the intrinsic value at expiry, max(w (S - K), 0), and the change is that of less than a day.
    American options (`american`, bool) may then be exercised from that day on; `dividends` are theirs as of now.
    Source: the definition; vendors that publish "one-day theta" revalue like this.
    """
    left = dividends.after(contract["expiry_years"] - later_years)
    later = model_greeks(volatility, {**contract, "expiry_years": later_years}, american, left)
    expired = np.maximum(contract["sign"] * (contract["underlying"] - contract["strike"]), 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(later_years > 0, later.price, expired) - price)
