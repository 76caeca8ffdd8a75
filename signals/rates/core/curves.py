"""Zero curves: the rate of each time to expiry, on one date, in one currency."""

from dataclasses import dataclass

import numpy as np

DAYS_PER_YEAR = 365.0
CURVE_DAYS = 31
"""How old a curve may be, in days from its date to the date at the exchange. It bridges holidays, weekly auctions and
files that are imported once a month."""


@dataclass(frozen=True, slots=True, eq=False)
class ZeroCurve:
    """Continuously compounded annual zero rates (decimals) by tenor in days, ascending, one at least.

    `day` is the curve's date, date.toordinal. A tenor counts from the instant of the computation, also on the days
    after `day`: the curve is one of constant maturities.
    """

    currency: str
    day: int
    tenors: np.ndarray
    rates: np.ndarray

    def rate(self, years: np.ndarray) -> np.ndarray:
        """Return the rate of each time in years of 365 days.

        Linear in the zero rate between two tenors. Before the first tenor it is the first rate, after the last the
        last: flat, since a slope has nothing to say where nothing is quoted.
        """
        found: np.ndarray = np.interp(years * DAYS_PER_YEAR, self.tenors, self.rates)
        return found
