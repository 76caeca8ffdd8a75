"""Skew, and the distribution that prices imply (Breeden and Litzenberger 1978).

From a fitted smile the density of ln(S_T / F) follows without differences (Gatheral and Jacquier 2014):

    p(k) = g(k) exp(-d2^2 / 2) / sqrt(2 pi w),  g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2

It is risk-neutral: a price of risk is in it, and it is no forecast.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from moneyness.core.evaluation import FitColumns, SkewColumns, SmileColumns
from moneyness.core.kernel_distribution import moments, skew_of_points
from moneyness.core.priced import Floats, PricedChains, Rows
from moneyness.core.svi import (
    fitted_groups,
    log_moneyness_at_delta,
    parameters,
    total_variance,
    total_variance_slope,
    volatility_at,
)

WING = 0.25
MASS_ERROR = 1e-3
"""How far the sum of a density and its mean of S_T / F may be from 1. Beyond, a wing is so steep that what lies
outside of all strikes counts, and there are no moments."""

ROUNDING = 1e-9
"""How far a probability may be outside of 0 to 1 for rounding alone."""


def skews(chains: PricedChains, smile: SmileColumns, fits: FitColumns) -> SkewColumns:
    """Return skew and implied distribution of each group.

    With a fit, risk reversal and butterfly need both 25-delta strikes between its points: the fit is not read where it
    extrapolates. Without one they are read between points that passed the gates. Moments need a fit without negative
    density.
    """
    years = np.ascontiguousarray(chains.expiries.years, np.float64)
    fitted = fitted_groups(fits)
    every = np.arange(len(years))
    places = log_moneyness_at_delta(fits, (WING, -WING))
    within = (places >= fits.lowest[:, None]) & (places <= fits.highest[:, None])
    places[~within] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        quarters = volatility_at(fits, years, every[:, None], places)
        money = volatility_at(fits, years, every, 0.0)
        slope = total_variance_slope(fits, every, 0.0) / (2.0 * money * years)
    call, put = quarters.T.copy()
    used = np.flatnonzero((smile.refused == 0) & ~fitted[smile.group])
    if len(used):
        read = np.full((len(years), 4), np.nan)
        starts = np.searchsorted(smile.group[used], np.arange(len(years) + 1)).astype(np.int64)
        k, volatility = smile.log_moneyness[used], smile.volatility[used]
        skew_of_points(starts, years, k, volatility, ~fitted & (years > 0.0), WING, read)
        call, put, money, slope = (
            np.where(fitted, column, other) for column, other in zip((call, put, money, slope), read.T, strict=True)
        )
    found = np.full((len(years), 6), np.nan)
    moments(parameters(fits), fitted & fits.butterfly_free, found)
    with np.errstate(invalid="ignore"):
        whole = np.abs(found[:, :2] - 1.0).max(axis=1) <= MASS_ERROR
    found[~whole] = np.nan
    return SkewColumns(
        risk_reversal_25=call - put,
        butterfly_25=0.5 * (call + put) - money,
        slope=slope,
        from_fit=fitted,
        mean=found[:, 1].copy(),
        deviation=found[:, 3].copy(),
        skewness=found[:, 4].copy(),
        kurtosis=found[:, 5].copy(),
    )


def density(fits: FitColumns, group: Rows | int, log_moneyness: ArrayLike) -> Floats:
    """Return the density of ln(S_T / F) there, NaN without a fit. Shapes broadcast. That of S_T is this over K."""
    k = np.asarray(log_moneyness, np.float64)
    y = k - fits.m[group]
    w, by_k = total_variance(fits, group, k), total_variance_slope(fits, group, k)
    by_kk = fits.b[group] * np.square(fits.sigma[group]) / np.hypot(y, fits.sigma[group]) ** 3
    s = np.sqrt(w)
    g = np.square(1.0 - 0.5 * k * by_k / w) - 0.25 * by_k * by_k * (1.0 / w + 0.25) + 0.5 * by_kk
    found: Floats = g * np.exp(-0.5 * np.square(k / s + 0.5 * s)) / (np.sqrt(2.0 * np.pi) * s)
    return found


def settles_above(chains: PricedChains, smile: SmileColumns, fits: FitColumns) -> Floats:
    """Return the risk-neutral probability of settling above the strike of each point: -exp(rT) dC/dK.

        P(S_T > K) = N(d2) - n(d2) ds/dk,  s = volatility sqrt(T), d2 = -k / s - s / 2

    With a fit without negative density it holds at every strike. Otherwise it is known at points that passed the gates
    and have such a neighbour on both sides: the slope is that of the parabola through the three. NaN elsewhere, and
    where the points say what is no probability.
    """
    group, k = smile.group, smile.log_moneyness
    years = chains.expiries.years
    usable = (fitted_groups(fits) & fits.butterfly_free)[group]
    found = np.full(len(group), np.nan)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        rows = np.flatnonzero(usable)
        if len(rows):
            s = np.sqrt(total_variance(fits, group[rows], k[rows]))
            slope = total_variance_slope(fits, group[rows], k[rows]) / (2.0 * s)
            found[rows] = _beyond(k[rows], s, slope)
        rows = np.flatnonzero((smile.refused == 0) & ~usable & (years > 0.0)[group])
        if len(rows) > 2:
            s = smile.volatility[rows] * np.sqrt(years[group[rows]])
            found[rows[1:-1]] = _from_three(k[rows], s, group[rows])
    found[~((found >= -ROUNDING) & (found <= 1.0 + ROUNDING))] = np.nan
    certain: Floats = np.clip(found, 0.0, 1.0)
    return certain


def _beyond(k: Floats, s: Floats, slope: Floats) -> Floats:
    d2 = -k / s - 0.5 * s
    found: Floats = ndtr(d2) - np.exp(-0.5 * d2 * d2) / np.sqrt(2.0 * np.pi) * slope
    return found


def _from_three(k: Floats, s: Floats, group: Rows) -> Floats:
    """Return the probability at all points but the first and the last, NaN at the ends of groups."""
    left, right = k[1:-1] - k[:-2], k[2:] - k[1:-1]
    before, after = (s[1:-1] - s[:-2]) / left, (s[2:] - s[1:-1]) / right
    slope = (before * right + after * left) / (left + right)
    found = _beyond(k[1:-1], s[1:-1], slope)
    inner: NDArray[np.bool_] = (group[:-2] == group[1:-1]) & (group[1:-1] == group[2:])
    return np.where(inner, found, np.nan)
