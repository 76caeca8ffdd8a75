"""The legs that a search computes."""

import numpy as np

from signals.comparison.core.vendor import VendorColumns

SAMPLE = 3_000
"""At most. Forwards by parity come from all legs, and the result of a search is measured on all."""


def sample(vendor: VendorColumns, is_pinned: np.ndarray, most: int = SAMPLE) -> np.ndarray:
    """Return the places of up to `most` legs with a number of the vendor's, spread over expiries and strikes."""
    known = np.zeros(len(vendor), bool)
    for name in vendor.given():
        column = np.isfinite(getattr(vendor, name))
        known |= column & ~is_pinned if name == "implied_volatility" else column
    rows = np.flatnonzero(known & (vendor.seconds_to_expiry > 0))
    rows = rows[np.lexsort((vendor.sign[rows], vendor.strike[rows], vendor.expiry[rows], vendor.time[rows]))]
    if len(rows) <= most:
        return rows
    places = np.linspace(0, len(rows) - 1, most).round().astype(np.intp)
    return rows[places]


def volatility_unit(vendor: VendorColumns) -> str:
    """A usual volatility above 3, which is 300 %, must be in percent."""
    known = vendor.implied_volatility[np.isfinite(vendor.implied_volatility)]
    return "percent" if len(known) and float(np.median(known)) > 3.0 else "decimal"
