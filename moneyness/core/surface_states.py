"""The surface of an underlying on one grid of log-moneyness, from the fits in the states of its smiles."""

import math
from collections.abc import Sequence

import numpy as np

from moneyness.core.chain_slice import Number
from moneyness.core.evaluation import FitColumns
from moneyness.core.priced import Floats
from moneyness.core.smile_words import FitStatus
from moneyness.core.states import FittedSmile, SmileFit, SurfaceRow, SurfaceState
from moneyness.core.svi import Surface, fitted_groups, surface

MOST_COLUMNS = 61
STEPS = (0.001, 0.002, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5)
FARTHEST = 10.0
"""Of log-moneyness: no market has strikes beyond e^10 times the forward."""
DAYS_PER_YEAR = 365.0


def surface_state(smiles: Sequence[FittedSmile], tenors: Sequence[float]) -> SurfaceState:
    """Return a row for each expiry, by time, and one for each constant maturity, in days.

    The grid goes from the lowest to the highest point of all fits, in round steps through 0. The states may be a
    stranger's: what is no number is null.
    """
    ordered = sorted(smiles, key=lambda smile: (_number(smile.receipt.expiry_years), smile.expiry))
    fits = _columns([smile.fit for smile in ordered])
    years = np.array([_number(smile.receipt.expiry_years) for smile in ordered], np.float64)
    grid = _grid(fits.lowest[fitted_groups(fits)], fits.highest[fitted_groups(fits)])
    every = np.arange(len(ordered))
    times = np.array([_number(days) for days in tenors], np.float64) / DAYS_PER_YEAR
    with np.errstate(all="ignore"):
        return SurfaceState(
            log_moneyness=grid.tolist(),
            expiries=_rows(surface(fits, years, every, grid), [smile.expiry for smile in ordered]),
            constant_maturities=_rows(surface(fits, years, every, grid, times), [None] * len(times)),
        )


def _number(value: Number) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


def _columns(fits: Sequence[SmileFit]) -> FitColumns:
    def floats(name: str) -> Floats:
        return np.array([_number(getattr(fit, name)) for fit in fits], np.float64)

    fitted = FitStatus.FITTED
    return FitColumns(
        status=np.array([fitted if fit.status == fitted.word else FitStatus.NOT_ASKED for fit in fits], np.uint8),
        **{name: floats(name) for name in ("a", "b", "rho", "m", "sigma", "lowest", "highest", "residual", "worst")},
        points=np.array([fit.points for fit in fits], np.intp),
        butterfly_free=np.array([bool(fit.butterfly_free) for fit in fits], np.bool_),
        calendar_free=np.array([bool(fit.calendar_free) for fit in fits], np.bool_),
    )


def _grid(lowest: Floats, highest: Floats) -> Floats:
    """Return round steps from the lowest to the highest, 0 among them."""
    low = float(np.nanmin(lowest, initial=0.0, where=np.abs(lowest) <= FARTHEST)) if len(lowest) else 0.0
    high = float(np.nanmax(highest, initial=0.0, where=np.abs(highest) <= FARTHEST)) if len(highest) else 0.0
    step = next((each for each in STEPS if (high - low) / each + 2 <= MOST_COLUMNS), STEPS[-1])
    places = np.arange(math.floor(low / step), math.ceil(high / step) + 1).astype(np.float64)
    grid: Floats = np.round(places * step, 4)
    return grid


def _rows(found: Surface, expiries: Sequence[str | None]) -> list[SurfaceRow]:
    columns = (found.years * DAYS_PER_YEAR, found.total_variance, found.volatility, found.beyond)
    return [
        SurfaceRow(expiry=expiry, days=days, total_variance=variance, volatility=volatility, beyond=beyond)
        for expiry, days, variance, volatility, beyond in zip(
            expiries, *(column.tolist() for column in columns), strict=True
        )
    ]
