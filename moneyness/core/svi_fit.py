"""Fits SVI to the smile of each expiry: MINPACK's Levenberg-Marquardt through scipy, on compiled residuals.

What is minimised, over the points that no gate refused, is the sum of vega ((w(k) - w) / (2 volatility T doubt))^2. To
first order, the bracket is the error in volatility in units of the doubt about it. With vega, the deltas that are
traded count more than far wings, which have most of the strikes.
"""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import leastsq

from moneyness.core.evaluation import FitColumns, SmileColumns
from moneyness.core.gates import TRADE_DOUBT, TRADE_TICK
from moneyness.core.kernel_judge import judge
from moneyness.core.kernel_svi import derivatives, prepare, raw_parameters, residuals
from moneyness.core.priced import Floats, PricedChains, Rows
from moneyness.core.smile_words import MIN_POINTS, MOST_EVALUATIONS, FitStatus

QUOTE_DOUBT = 0.01
"""Doubt about a volatility of a two-sided market beside half of its width, as a share of the volatility: no point
outweighs all others by a narrow market."""

FARTHEST = 4.0
"""Standard deviations beyond which vega, as a weight, falls no more."""

TOLERANCE = 1e-4  # relative, of the sum of squares
STEP_TOLERANCE = 1e-8  # relative, of the parameters

PENALTIES = (10.0, 30.0, 100.0)
"""What a negative density costs a smile that has one and is fitted again, until it has none. The penalty also settles
parameters that the points leave open, so a fit that did not settle is done again too."""
FREE_COST = 2.0
"""How many times larger the residual of a smile without negative density may be. Beyond, the one with it is kept."""


def fit_smiles(chains: PricedChains, smile: SmileColumns, *, fit: bool, worst_fit: float) -> FitColumns:
    """Return the fit of each group, in one call for all of them.

    `residual` is the root mean square error in volatility, in which a point counts as in the fit (vega / doubt^2);
    `worst` is the largest error of a point. A refused fit has both and no parameters. The doubt about a volatility is,
    with a two-sided market, QUOTE_DOUBT of it and half of the market's width in volatility; else TRADE_DOUBT of it and
    what TRADE_TICK of the price is in volatility.
    """
    years = np.ascontiguousarray(chains.expiries.years, np.float64)
    count = len(years)
    used = np.flatnonzero(smile.refused == 0)
    status = _before_fitting(chains, smile, used, fit)
    points = np.bincount(smile.group[used], minlength=count)
    used = used[status[smile.group[used]] == FitStatus.FITTED]
    group = smile.group[used]
    starts = np.searchsorted(group, np.arange(count + 1)).astype(np.int64)
    k, volatility = (
        np.ascontiguousarray(column[used], np.float64) for column in (smile.log_moneyness, smile.volatility)
    )
    doubt = _doubt(chains, smile, used, group)
    x, w, weight = np.empty(len(used)), np.empty(len(used)), np.empty(len(used))
    scale, bounds, u = np.ones(count), np.zeros((count, 5)), np.zeros((count, 5))
    prepare(starts, years, k, volatility, doubt, scale, x, w, weight, bounds, u)
    fits, settled = np.full((count, 5), np.nan), np.zeros(count, np.bool_)
    residual, worst = np.full(count, np.nan), np.full(count, np.nan)
    butterfly, calendar = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    underlying = chains.expiries.underlying.astype(np.int64)

    def look(at: NDArray[np.bool_]) -> None:
        judge(starts, underlying, years, k, volatility, doubt, at, fits, residual, worst, butterfly, calendar)

    tried = status == FitStatus.FITTED
    for each in np.flatnonzero(tried).tolist():
        own = slice(starts[each], starts[each + 1])
        u[each], settled[each] = _optimise(u[each], (x[own], w[own], weight[own], bounds[each], _NO_NODES, 0.0))
        fits[each] = raw_parameters(u[each], bounds[each], scale[each])
    look(tried)
    before, settled_before, residual_before = fits.copy(), settled.copy(), residual.copy()
    again = tried & (residual <= worst_fit)
    for penalty in PENALTIES:
        again &= ~butterfly | ~settled
        if not again.any():
            break
        for each in np.flatnonzero(again).tolist():
            own = slice(starts[each], starts[each + 1])
            nodes = _nodes(x[own])
            args = (x[own], w[own], weight[own], bounds[each], nodes, penalty)
            u[each], settled[each] = _optimise(_off_bounds(u[each]), args)
            fits[each] = raw_parameters(u[each], bounds[each], scale[each])
        look(again)
    back = tried & ~(butterfly & settled & (residual <= FREE_COST * residual_before))
    fits[back], settled[back] = before[back], settled_before[back]
    look(back)
    status[tried & ~(residual <= worst_fit)] = FitStatus.REFUSED_FIT
    status[tried & ~settled] = FitStatus.NOT_CONVERGED
    fitted = status == FitStatus.FITTED
    look(fitted)  # the calendar, among those that are left
    fits[~fitted] = np.nan
    butterfly[~fitted], calendar[~fitted] = False, False
    a, b, rho, m, sigma = fits.T.copy()
    ends = np.full((2, count), np.nan)
    if len(k):
        ends[:, tried] = k[starts[:-1][tried]], k[starts[1:][tried] - 1]
    return FitColumns(
        status=status,
        a=a,
        b=b,
        rho=rho,
        m=m,
        sigma=sigma,
        points=points,
        lowest=ends[0],
        highest=ends[1],
        residual=residual,
        worst=worst,
        butterfly_free=butterfly,
        calendar_free=calendar,
    )


_NO_NODES = np.zeros(0)


def _nodes(x: Floats) -> Floats:
    """Return where a density must not be negative, in units of the volatility until expiry; dense about the forward."""
    reach = np.arcsinh(max(10.0, 3.0 * max(-x[0], x[-1])))
    nodes: Floats = np.sinh(np.linspace(-reach, reach, 61))
    return nodes


def _off_bounds(u: Floats) -> Floats:
    """Return parameters of which m and sigma are off their bounds: there the sine has no slope, and nothing moves."""
    found: Floats = u.copy()
    found[3:] = np.arcsin(np.clip(np.sin(u[3:]), -0.9, 0.9))
    return found


def _optimise(start: Floats, args: tuple[object, ...]) -> tuple[Floats, bool]:
    """Return the parameters, and whether they settled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the evaluations are used up: the status says so
        found, ended = leastsq(
            residuals,
            start,
            args=args,
            Dfun=derivatives,
            col_deriv=True,
            ftol=TOLERANCE,
            xtol=STEP_TOLERANCE,
            gtol=0.0,
            maxfev=MOST_EVALUATIONS,
        )
    return found, ended in (1, 2, 3, 4) and bool(np.isfinite(found).all())


def _before_fitting(chains: PricedChains, smile: SmileColumns, used: Rows, fit: bool) -> NDArray[np.uint8]:
    """Return the status of each group as far as its points decide it; FITTED where a fit can be tried."""
    expiries = chains.expiries
    count = len(expiries.years)
    status = np.full(count, FitStatus.FITTED, np.uint8)
    group, k = smile.group[used], smile.log_moneyness[used]
    status[
        (np.bincount(group[k <= 0.0], minlength=count) == 0) | (np.bincount(group[k >= 0.0], minlength=count) == 0)
    ] = FitStatus.ONE_SIDED
    status[np.bincount(group, minlength=count) < MIN_POINTS] = FitStatus.TOO_FEW_POINTS
    status[~((expiries.forward > 0.0) & (expiries.forward < np.inf))] = FitStatus.NO_FORWARD
    status[~((expiries.years > 0.0) & (expiries.years < np.inf))] = FitStatus.EXPIRED
    if not fit:
        status[:] = FitStatus.NOT_ASKED
    return status


def _doubt(chains: PricedChains, smile: SmileColumns, used: Rows, group: Rows) -> Floats:
    """Return the doubt about each point's volatility, over the root of its vega (1 at d1 = 0)."""
    volatility = smile.volatility[used]
    half = 0.5 * (smile.ask_volatility[used] - smile.bid_volatility[used])
    s = volatility * np.sqrt(chains.expiries.years[group])
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        d1 = -smile.log_moneyness[used] / s + 0.5 * s
        vega = np.exp(-0.5 * np.minimum(d1 * d1, FARTHEST * FARTHEST))
        tick = volatility * TRADE_TICK * np.sqrt(2.0 * np.pi) / (s * vega)
        found: Floats = np.where(half >= 0.0, QUOTE_DOUBT * volatility + half, TRADE_DOUBT * volatility + tick)
        return found / np.sqrt(vega)
