"""American options in columns: their terms, which method prices each, and what each can be worth."""

from typing import NamedTuple

import numpy as np

from signals.greeks.core.dividends import DividendColumns

EUROPEAN, BOUNDARY, GRID = range(3)
"""The methods; american.py says where each is right."""


class Contracts(NamedTuple):
    """Float64 of equal length. `carry` is r for an option on a future, else q."""

    underlying: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    rate: np.ndarray
    carry: np.ndarray
    sign: np.ndarray
    on_future: np.ndarray  # bool

    def take(self, rows: np.ndarray) -> "Contracts":
        return Contracts(*(column[rows] for column in self))


def sort_out(
    terms: list[np.ndarray], models: np.ndarray, dividends: DividendColumns | None
) -> tuple[Contracts, np.ndarray]:
    """Return the contracts, and the method for each."""
    underlying, strike, years, rate, yields, sign = terms
    on_future = models != 0
    contracts = Contracts(underlying, strike, years, rate, np.where(on_future, rate, yields), sign, on_future)
    call = sign > 0
    a, b = np.where(call, contracts.carry, rate), np.where(call, rate, contracts.carry)
    kinds = np.where((a > 0) | ((a == 0) & (b < 0)), BOUNDARY, np.where((a < 0) & (b < a), GRID, EUROPEAN))
    if dividends is not None and len(dividends.years):
        kinds[(np.diff(dividends.offsets) > 0) & ~on_future] = GRID
    return contracts, kinds


def bounds(contracts: Contracts, dividends: DividendColumns | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the most that each option can be worth: exercise at the best time that is known beforehand,
    which is now, at expiry or where S exp(-qt) and K exp(-rt) part most; and the dearer of what the holder can get."""
    s, k, years, r, q, w, _ = contracts
    spot = s if dividends is None else s + dividends.present_values(r)
    with np.errstate(all="ignore"):
        turn = np.nan_to_num(np.clip(np.log((r * k) / (q * s)) / (r - q), 0.0, years), nan=0.0)
        at_expiry, between = (w * (s * np.exp(-q * t) - k * np.exp(-r * t)) for t in (years, turn))
        least = np.maximum(np.maximum(w * (spot - k), at_expiry), np.maximum(between, 0.0))
        most = np.where(w > 0, np.maximum(spot, s * np.exp(-q * years)), np.maximum(k, k * np.exp(-r * years)))
    return least, most
