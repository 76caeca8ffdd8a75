"""The forward of one underlying, expiry and instant."""

import math
from dataclasses import dataclass

import numpy as np

from signals.greeks.core.conventions import ForwardSource

PARITY_MIN_STRIKES = 3
"""Fewer strikes cannot outvote one bad quote."""


@dataclass(frozen=True, slots=True)
class Forward:
    """`value` is NaN where the source had nothing to offer; `strikes` is how many took part in parity."""

    value: float
    source: ForwardSource
    strikes: int = 0

    @property
    def found(self) -> bool:
        return math.isfinite(self.value) and self.value > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityColumns:
    """Call and put of each strike; `*_spread` is ask - bid, NaN where the price is not a mid; volume NaN if unknown."""

    strike: np.ndarray
    call: np.ndarray
    put: np.ndarray
    call_spread: np.ndarray
    put_spread: np.ndarray
    call_volume: np.ndarray
    put_volume: np.ndarray


def parity_forward(columns: ParityColumns, *, discount: float) -> Forward:
    """Forward from put-call parity, F = K + (C - P) / discount, as the weighted median over the strikes.

    A median shrugs off bad quotes; the weights say which strikes know best. A strike's estimate errs by about the sum
    of its two legs' errors. Where both legs are two-sided that is their spread; else an error grows with the dearer
    leg (the one in the money, which trades least and moves most), and the thinner leg's volume says how fresh the pair
    is. Two-sided pairs, where there are enough of them, are not diluted with trades of another moment.

    `discount`: e^(-rT). Fewer than PARITY_MIN_STRIKES pairs give no forward.
    """
    estimate = columns.strike + (columns.call - columns.put) / discount
    usable = np.isfinite(estimate) & (estimate > 0)
    spread = columns.call_spread + columns.put_spread
    quoted = usable & np.isfinite(spread)
    if np.count_nonzero(quoted) >= PARITY_MIN_STRIKES:
        usable = quoted
        weight = 1.0 / np.square(spread + 1e-4 * (columns.call + columns.put))
    else:
        dearer = np.maximum(columns.call, columns.put)
        thinner = np.minimum(np.nan_to_num(columns.call_volume), np.nan_to_num(columns.put_volume))
        weight = (1.0 + thinner) / np.square(dearer)
    count = int(np.count_nonzero(usable))
    if count < PARITY_MIN_STRIKES:
        return Forward(math.nan, ForwardSource.PARITY, count)
    return Forward(_weighted_median(estimate[usable], weight[usable]), ForwardSource.PARITY, count)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, 0.5 * below[-1])])


def find_forward(
    wanted: ForwardSource,
    *,
    parity: ParityColumns,
    future: float,
    spot: float,
    nearest_future: tuple[float, float],
    expiry_years: float,
    rate: float,
    dividend_yield: float,
) -> Forward:
    """The forward from the source that is wanted.

    `auto` takes parity, else the future of this expiry, else spot with carry, else the nearest future carried from its
    own expiry. A named source is strict. Prices are NaN where there are none; `nearest_future` is (price, years).
    """
    carry = rate - dividend_yield
    auto = wanted is ForwardSource.AUTO
    if auto or wanted is ForwardSource.PARITY:
        found = parity_forward(parity, discount=math.exp(-rate * expiry_years))
        if found.found or not auto:
            return found
    if auto or wanted is ForwardSource.FUTURE:
        found = Forward(future, ForwardSource.FUTURE)
        if found.found or not auto:
            return found
    found = Forward(spot * math.exp(carry * expiry_years), ForwardSource.SPOT)
    if found.found or not auto:
        return found
    price, years = nearest_future
    return Forward(price * math.exp(carry * (expiry_years - years)), ForwardSource.CARRIED_FUTURE)
