"""What each leg of a portfolio is worth, and its Greeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from signals.greeks.core.conventions import FIRST_ORDER

GREEKS = FIRST_ORDER
MONEY = ("market_value", "model_value", "profit_and_loss", "delta_value", "gamma_value")
"""Totals in the currency of the underlying. A future has no value: it is settled every day."""
TOTALS = ("market_value", "model_value", "profit_and_loss", *GREEKS, "delta_value", "gamma_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegValues:
    """N legs. Float64 and per unit of the underlying unless noted otherwise, NaN for unknown."""

    underlying: Sequence[str]
    expiry: Sequence[date | None]
    is_option: np.ndarray  # bool
    is_future: np.ndarray  # bool
    sign: np.ndarray  # +1 call, -1 put, NaN for other legs
    strike: np.ndarray
    expires_at: np.ndarray  # seconds since 1970
    units: np.ndarray  # signed
    lot_size: np.ndarray
    price_paid: np.ndarray
    status: np.ndarray  # object: ok or a status word
    reason: np.ndarray  # object: str or None
    price: np.ndarray  # the market's, else the model's
    price_source: np.ndarray  # object: mid, last, settle, close, override, model or None
    price_age: np.ndarray  # seconds
    model_price: np.ndarray  # at the volatility found; of other legs their price
    underlying_price: np.ndarray  # what delta is per 1 of: the spot with its cash dividends (bsm) or the forward
    implied_volatility: np.ndarray
    expiry_years: np.ndarray
    greeks: np.ndarray  # 5 x N, in the order of GREEKS

    def contributions(self) -> np.ndarray:
        """Return what each leg adds to the TOTALS, as a matrix of TOTALS x N; NaN for unknown."""
        valued = np.where(self.is_future, 0.0, self.units)  # a future's value is settled every day
        delta, gamma = self.greeks[0], self.greeks[1]
        found = np.stack(
            [
                valued * np.where(self.is_future, 0.0, self.price),
                valued * np.where(self.is_future, 0.0, self.model_price),
                self.units * (self.price - self.price_paid),
                *(self.units * values for values in self.greeks),
                self.units * delta * self.underlying_price,
                self.units * gamma * self.underlying_price**2 * 0.01,
            ]
        )
        found[:, self.units == 0.0] = 0.0  # nothing held adds nothing, whatever it is worth
        return found
