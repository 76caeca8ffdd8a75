"""Smiles of chains that are partly right and partly garbage: what is answered always holds what the pages promise."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from moneyness.core.distribution import density, settles_above, skews
from moneyness.core.evaluation import FitColumns
from moneyness.core.layout import find_strikes
from moneyness.core.smile import smile_points
from moneyness.core.smile_words import FitStatus
from moneyness.core.svi import total_variance
from moneyness.core.svi_fit import fit_smiles
from tests.core.smile_chains import Expiry, from_smile, priced

GARBAGE = (np.nan, 0.0, -1.0, 1e300, 1e-300, np.inf, 100.0, 1e5)


def expiry(rng: np.random.Generator, underlying: int) -> Expiry:
    """Any time from minutes to ten years, any shape and noise; up to a third of each column is garbage."""
    years, volatility = 10 ** rng.uniform(-4, 1), 10 ** rng.uniform(-1.5, 0.6)
    s = volatility * np.sqrt(years)
    k = np.unique(rng.normal(0, rng.choice([0.3, 1, 3, 8]), rng.integers(2, 60)) * s + rng.choice([0, 0, s, -3 * s]))
    x = k / s
    shapes = (
        1 + rng.normal(0, 0.1) * x + abs(rng.normal(0, 0.03)) * x * x,
        np.ones(len(k)),
        rng.lognormal(0, 0.3, len(k)),
    )
    shape = shapes[rng.choice(3, p=(0.6, 0.2, 0.2))] + rng.normal(0, rng.choice([0, 0.001, 0.02, 0.2]), len(k))
    own = volatility * np.clip(shape, 0.01, 20)
    spread = rng.choice([0, 0.01, 0.1]) * own.min()
    made = from_smile(
        lambda _: own * own * years,
        years=years,
        forward=10 ** rng.uniform(-3, 6),
        log_moneyness=k,
        spread=spread,
        rate=rng.choice([0, 0.065, -0.02, 0.5]),
        underlying=underlying,
    )
    columns = {name: np.array(getattr(made, name)) for name in ("bid", "ask", "last", "volume")}
    for column in columns.values():
        spoiled = rng.random(len(column)) < rng.choice([0, 0.05, 0.3])
        column[spoiled] = rng.choice(GARBAGE, spoiled.sum())
    off = np.exp(rng.normal(0, 0.5)) if rng.random() < 0.1 else 1.0
    return replace(made, forward=made.forward * off, **columns)


def promises(fits: FitColumns, group: int, above: np.ndarray, mean: float) -> None:
    a, b, rho, m, sigma = (float(getattr(fits, name)[group]) for name in ("a", "b", "rho", "m", "sigma"))
    status = FitStatus(fits.status[group])
    if status != FitStatus.FITTED:
        assert np.isnan([a, b, rho, m, sigma, mean]).all()
        assert not fits.butterfly_free[group]
        return
    assert np.isfinite([a, b, rho, m, sigma]).all()
    assert 0 <= fits.residual[group] <= fits.worst[group] < np.inf
    assert a + b * sigma * np.sqrt(1 - rho * rho) >= -1e-9 * abs(a) - 1e-15
    assert b * (1 + abs(rho)) <= 2 * (1 + 1e-9)
    known = above[np.isfinite(above)]
    assert ((known >= 0) & (known <= 1)).all()
    if not fits.butterfly_free[group]:
        assert np.isnan(mean)
        return
    assert len(known) == len(above)
    assert (np.diff(above) <= 1e-6).all()
    assert np.isnan(mean) or mean == pytest.approx(1.0, abs=1e-3)
    s = np.sqrt(total_variance(fits, group, 0.0))
    grid = np.linspace(-10 * s, 10 * s, 2001)
    assert density(fits, group, grid).min() >= -1e-4 / s


@pytest.mark.parametrize("worst_fit", [0.02, 1e9])
def test_promises_hold_whatever_the_chain(worst_fit: float) -> None:
    rng = np.random.default_rng(14)
    with np.errstate(all="ignore"):
        chains = priced([expiry(rng, number // 3) for number in range(500)])
    smile = smile_points(chains, find_strikes(chains))
    fits = fit_smiles(chains, smile, fit=True, worst_fit=worst_fit)
    skew, above = skews(chains, smile, fits), settles_above(chains, smile, fits)
    for group in range(500):
        promises(fits, group, above[smile.group == group], float(skew.mean[group]))
    words = Counter(FitStatus(status).word for status in fits.status.tolist())
    assert words["fitted"] > 150
    assert words["too_few_points"] > 50
    assert words["one_sided"] > 20
    assert words["not_converged"] < 20
