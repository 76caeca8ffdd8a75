"""What is read from fitted smiles: total variance, volatility and its slope at any strike, the strike at any delta.

Deltas are those of the forward without discount, N(d1) of a call and N(d1) - 1 of a put: what the market calls a
25-delta. The deltas of options in a chain are discounted; the difference is the factor exp(-rT).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from moneyness.core.evaluation import FitColumns
from moneyness.core.kernel_distribution import delta_places
from moneyness.core.priced import Floats, Rows
from moneyness.core.smile_words import FitStatus


def parameters(fits: FitColumns) -> Floats:
    """Return the parameters a, b, rho, m, sigma, a row a group."""
    rows: Floats = np.column_stack((fits.a, fits.b, fits.rho, fits.m, fits.sigma))
    return np.ascontiguousarray(rows)


def fitted_groups(fits: FitColumns) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = fits.status == FitStatus.FITTED
    return found


def total_variance(fits: FitColumns, group: Rows | int, log_moneyness: ArrayLike) -> Floats:
    """Return w(k) = volatility^2 T of these groups at these log-moneynesses, NaN without a fit. Shapes broadcast."""
    y = np.asarray(log_moneyness, np.float64) - fits.m[group]
    found: Floats = fits.a[group] + fits.b[group] * (fits.rho[group] * y + np.hypot(y, fits.sigma[group]))
    return found


def total_variance_slope(fits: FitColumns, group: Rows | int, log_moneyness: ArrayLike) -> Floats:
    """Return dw/dk."""
    y = np.asarray(log_moneyness, np.float64) - fits.m[group]
    found: Floats = fits.b[group] * (fits.rho[group] + y / np.hypot(y, fits.sigma[group]))
    return found


def volatility_at(fits: FitColumns, years: Floats, group: Rows | int, log_moneyness: ArrayLike) -> Floats:
    """Return the volatility that the fit has there: annual, a decimal. `years` has an element a group."""
    found: Floats = np.sqrt(total_variance(fits, group, log_moneyness) / years[group])
    return found


def log_moneyness_at_delta(fits: FitColumns, delta: ArrayLike) -> Floats:
    """Return ln(K/F) at which the option has this delta, groups x deltas: 0.25 of a call, -0.25 of a put.

    NaN without a fit, and for deltas that are not in (-1, 1) or are 0. It may lie beyond the points: compare it with
    `lowest` and `highest` of the fit.
    """
    wanted = np.atleast_1d(np.asarray(delta, np.float64))
    with np.errstate(invalid="ignore"):
        d1 = ndtri(np.where(wanted > 0.0, wanted, 1.0 + wanted))
    d1[~np.isfinite(d1) | (wanted == 0.0)] = np.nan
    found = np.full((len(fits.status), len(wanted)), np.nan)
    delta_places(parameters(fits), fitted_groups(fits), d1, found)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Total variance and volatility of one underlying: times x log-moneyness."""

    years: Floats
    log_moneyness: Floats
    total_variance: Floats  # NaN where no fit says it
    volatility: Floats
    beyond: NDArray[np.bool_]  # outside of the points of a fit that it comes from: the fit extrapolates


def surface(
    fits: FitColumns, years: Floats, groups: Rows, log_moneyness: Floats, times: Floats | None = None
) -> Surface:
    """Return the surface of `groups`, the expiries of one underlying in order of time.

    Without `times` it has a row for each expiry, NaN for one without a fit. With `times` (in years), a row is read
    between the two fitted expiries around it: linear in total variance at the same log-moneyness, so that it has no
    calendar arbitrage that the fits do not have. Nothing is extrapolated in time. `years` has an element a group.
    """
    own = years[groups]
    k = log_moneyness[None, :]
    w = total_variance(fits, groups[:, None], k)
    beyond = ~((k >= fits.lowest[groups][:, None]) & (k <= fits.highest[groups][:, None]))
    if times is None:
        times = own
    else:
        known = np.flatnonzero(fitted_groups(fits)[groups])
        w, beyond = _between(own[known], w[known], beyond[known], times)
    with np.errstate(invalid="ignore", divide="ignore"):
        volatility = np.sqrt(w / times[:, None])
    beyond = beyond & np.isfinite(w)
    return Surface(years=times, log_moneyness=log_moneyness, total_variance=w, volatility=volatility, beyond=beyond)


def _between(years: Floats, w: Floats, beyond: NDArray[np.bool_], times: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return total variance at other times, NaN outside of the first and the last, and where it comes from beyond."""
    found, outside = np.full((len(times), w.shape[1]), np.nan), np.zeros((len(times), w.shape[1]), np.bool_)
    if not len(years):
        return found, outside
    later = np.clip(np.searchsorted(years, times), 1 if len(years) > 1 else 0, len(years) - 1)
    earlier = np.maximum(later - 1, 0)
    inside = (times >= years[0]) & (times <= years[-1])
    apart = years[later] - years[earlier]
    share = np.where(apart > 0.0, (times - years[earlier]) / np.where(apart > 0.0, apart, 1.0), 0.0)[:, None]
    found[inside] = (w[earlier] * (1.0 - share) + w[later] * share)[inside]
    outside[inside] = (beyond[earlier] & (share < 1.0) | beyond[later] & (share > 0.0))[inside]
    return found, outside
