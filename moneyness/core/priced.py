"""Option chains at an instant with their prices and Greeks, in columns: what `evaluate_chain` starts from.

There may be many underlyings, and one may be there at several instants, as in `signals.greeks.core.snapshot`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signals.greeks.core.snapshot import GroupMarket

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestColumns:
    """What chains say beside prices, one element an option as the snapshot's options are ordered; NaN for unknown."""

    open_interest: Floats  # in units of the underlying, as the source gives it
    open_interest_before: Floats  # at the end of the session before


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingRows:
    """U underlyings."""

    key: Sequence[str]
    at: Floats  # seconds since 1970
    spot: Floats  # NaN for unknown
    black76: NDArray[np.bool_]  # whether Black-76 prices its options: then delta and gamma are per forward


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryRows:
    """G expiries, ordered by underlying and date."""

    underlying: Rows  # its place among the underlyings
    expiry: NDArray[np.int64]  # date.toordinal
    years: Floats  # to the exact moment, in years of 365 days; 0 at or past expiry
    forward: Floats  # NaN for none
    rate: Floats  # continuous, annual
    markets: Sequence[GroupMarket]  # the receipts: where forward, rate and dividends came from


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRows:
    """N options, ordered by group, strike, and a call before its put. Float64 with NaN for unknown unless noted.

    Greeks have the units of `signals.greeks.core.evaluate`: theta a calendar day, vega per 0.01 of volatility, rho per
    0.01 of rate.
    """

    group: Rows  # its place among the expiries
    strike: Floats
    sign: Floats  # +1 call, -1 put
    bid: Floats  # NaN when too old, as all prices are
    ask: Floats
    last: Floats
    volume: Floats
    open_interest: Floats
    open_interest_before: Floats
    price: Floats  # what the volatility was computed from
    price_source: NDArray[np.int8]  # index into conventions.PRICE_WORDS, -1 for none
    age: Floats  # of that price, in seconds
    status: NDArray[np.uint8]  # signals.greeks.core.status.Status
    implied_volatility: Floats  # annual, as a decimal
    bid_volatility: Floats  # that the bid and the ask imply
    ask_volatility: Floats
    underlying_used: Floats  # what the model was given, and gamma is per: a spot for bsm, the forward for black76
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedChains:
    underlyings: UnderlyingRows
    expiries: ExpiryRows
    options: OptionRows
