"""SVI: known parameters come back, another optimiser finds nothing better, and nothing makes it raise or hang."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from moneyness.core.evaluation import FitColumns, SmileColumns
from moneyness.core.kernel_svi import derivatives, residuals
from moneyness.core.layout import find_strikes
from moneyness.core.priced import PricedChains
from moneyness.core.smile import smile_points
from moneyness.core.smile_words import FIT_REASONS, FitStatus
from moneyness.core.svi import volatility_at
from moneyness.core.svi_fit import fit_smiles
from tests.core.smile_chains import Expiry, from_smile, priced

KNOWN = {  # a, b, rho, m, sigma, years
    "least far from the money": (0.030358, 0.0503815, -0.1, 0.3, 0.048922, 1.0),
    "index, a week": (-0.0002, 0.012, -0.35, 0.01, 0.04, 7 / 365),
    "index, a quarter": (0.001, 0.05, -0.6, 0.03, 0.1, 0.25),
    "coin": (0.02, 0.25, -0.1, 0.1, 0.3, 0.25),
    "steep": (0.02, 0.4, -0.7, 0.02, 0.25, 1.0),
    "calls dearer": (0.004, 0.08, 0.5, -0.05, 0.12, 0.5),
    "symmetric": (0.01, 0.1, 0.0, 0.0, 0.2, 0.5),
}
VOGT = (-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)  # whose density is negative: Gatheral and Jacquier 2014, figure 1


def svi(a: float, b: float, rho: float, m: float, sigma: float):
    return lambda k: a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma**2))


def fitted(
    *expiries: Expiry, worst_fit: float = 0.02, fit: bool = True
) -> tuple[PricedChains, SmileColumns, FitColumns]:
    chains = priced(list(expiries))
    smile = smile_points(chains, find_strikes(chains))
    return chains, smile, fit_smiles(chains, smile, fit=fit, worst_fit=worst_fit)


def raw(fits: FitColumns, group: int = 0) -> np.ndarray:
    return np.array([getattr(fits, name)[group] for name in ("a", "b", "rho", "m", "sigma")])


def strikes(known: tuple[float, ...], count: int = 41, deviations: float = 4.0) -> np.ndarray:
    """Log-moneyness of strikes within so many standard deviations."""
    *parameters, _ = known
    reach = deviations * float(np.sqrt(svi(*parameters)(0.0)))
    return np.linspace(-reach, reach, count)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("spread", [0.0, 0.001])
def test_known_parameters_come_back(name: str, spread: float) -> None:
    *parameters, years = KNOWN[name]
    smile = from_smile(svi(*parameters), years=years, log_moneyness=strikes(KNOWN[name]))
    _, points, fits = fitted(smile)
    assert fits.status[0] == FitStatus.FITTED
    assert fits.points[0] == len(points.strike)
    np.testing.assert_allclose(raw(fits), parameters, rtol=1e-5, atol=1e-7)
    assert fits.residual[0] < 1e-7
    assert fits.worst[0] < 1e-6
    assert fits.butterfly_free[0]
    assert fits.calendar_free[0]
    np.testing.assert_allclose((fits.lowest[0], fits.highest[0]), (points.log_moneyness[0], points.log_moneyness[-1]))


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("noise", [0.0005, 0.003])
def test_noise_moves_a_smile_less_than_itself(name: str, noise: float) -> None:
    """With 41 points and 5 parameters, the smile is off by a fraction of the noise where delta is traded."""
    *parameters, years = KNOWN[name]
    k = strikes(KNOWN[name])
    rng = np.random.default_rng(5)
    smile = from_smile(
        svi(*parameters), years=years, log_moneyness=k, noise=rng.normal(0, noise, len(k)), spread=3 * noise
    )
    chains, _, fits = fitted(smile)
    body = np.linspace(-1.5, 1.5, 31) * np.sqrt(svi(*parameters)(0.0))
    off = volatility_at(fits, chains.expiries.years, 0, body) - np.sqrt(svi(*parameters)(body) / years)
    assert fits.status[0] == FitStatus.FITTED
    assert np.sqrt(np.mean(off**2)) < noise
    assert np.abs(off).max() < 2.5 * noise
    assert 0.3 * noise < fits.residual[0] < 1.5 * noise


def raw_least_squares(chains: PricedChains, smile: SmileColumns, doubt: np.ndarray) -> float:
    """The least sum of squares that another optimiser finds from many starts, in raw parameters with their bounds."""
    used = smile.refused == 0
    k, volatility = smile.log_moneyness[used], smile.volatility[used]
    years = chains.expiries.years[0]
    w = volatility**2 * years

    def off(x: np.ndarray) -> np.ndarray:
        return (svi(*x)(k) - w) / (2 * volatility * years * doubt)

    reach = k[-1] - k[0]
    bounds = ([-10, 0, -0.999, k[0] - 0.1 * reach, 0.01], [10, 2, 0.999, k[-1] + 0.1 * reach, 2 * reach])
    rng = np.random.default_rng(1)
    best = np.inf
    for _ in range(12):
        start = (0.5 * w.min(), *rng.uniform((0.05, -0.5, k[0], 0.05), (0.5, 0.5, k[-1], 0.4 * reach)))
        found = least_squares(off, start, bounds=bounds, max_nfev=400, x_scale=(0.01, 0.1, 0.3, 0.1, 0.1))
        a, b, rho, _, sigma = found.x
        if a + b * sigma * np.sqrt(1 - rho * rho) >= 0:
            best = min(best, 2 * found.cost)
    return best


@pytest.mark.parametrize("name", ["index, a quarter", "coin", "calls dearer", "least far from the money"])
def test_another_optimiser_finds_nothing_better(name: str) -> None:
    *parameters, years = KNOWN[name]
    k = strikes(KNOWN[name])
    noise = np.random.default_rng(9).normal(0, 0.002, len(k))
    chains, smile, fits = fitted(from_smile(svi(*parameters), years=years, log_moneyness=k, noise=noise, spread=0.004))
    used = smile.refused == 0
    k, volatility = smile.log_moneyness[used], smile.volatility[used]
    s = volatility * np.sqrt(years)
    d1 = -k / s + 0.5 * s
    half = 0.5 * (smile.ask_volatility - smile.bid_volatility)[used]
    doubt = (0.01 * volatility + half) / np.sqrt(np.exp(-0.5 * np.minimum(d1 * d1, 16.0)))
    own = np.sum(((svi(*raw(fits))(k) - volatility**2 * years) / (2 * volatility * years * doubt)) ** 2)
    assert own <= 1.0005 * raw_least_squares(chains, smile, doubt)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=5, max_size=5), st.sampled_from([0.0, 10.0]))
def test_the_derivatives_are_those_of_the_residuals(u: list[float], strength: float) -> None:
    x, weight = np.linspace(-3, 3, 15), np.linspace(0.5, 2, 15)
    bounds = np.array([20.0, 0.1, 3.5, 0.0, 3.0])
    nodes = np.linspace(-8, 8, 9) if strength else np.zeros(0)
    args = (x, 1 + 0.1 * x * x, weight, bounds, nodes, strength)
    at = np.array(u)
    found = derivatives(at, *args)
    for row in range(5):
        step = np.zeros(5)
        step[row] = 1e-6
        expected = (residuals(at + step, *args) - residuals(at - step, *args)) / 2e-6
        np.testing.assert_allclose(found[row, :15], expected[:15], rtol=1e-5, atol=1e-4)


def test_a_negative_density_is_told() -> None:
    """Vogt's smile is fitted exactly, and flagged: no smile without negative density is near enough."""
    _, _, fits = fitted(from_smile(svi(*VOGT), years=1.0, log_moneyness=np.linspace(-1.5, 1.5, 61)))
    assert fits.status[0] == FitStatus.FITTED
    np.testing.assert_allclose(raw(fits), VOGT, rtol=1e-4, atol=1e-5)
    assert not fits.butterfly_free[0]


def test_a_slightly_negative_density_is_fitted_away() -> None:
    """With noise, a smile without negative density is as good: only its far wing is another."""
    k = np.linspace(-0.6, 0.6, 41)
    noise = np.random.default_rng(3).normal(0, 0.01, len(k))
    _, _, fits = fitted(from_smile(svi(*VOGT), years=1.0, log_moneyness=k, noise=noise, spread=0.01))
    assert fits.status[0] == FitStatus.FITTED
    assert fits.butterfly_free[0]


def test_a_calendar_that_crosses_is_told() -> None:
    k = np.linspace(-0.3, 0.3, 31)
    first = from_smile(svi(0.01, 0.1, -0.3, 0.0, 0.1), years=0.25, log_moneyness=k)
    crossing = from_smile(svi(0.016, 0.03, -0.3, 0.0, 0.1), years=0.5, log_moneyness=0.3 * k)
    above = from_smile(svi(0.02, 0.12, -0.3, 0.0, 0.1), years=0.5, log_moneyness=k)
    assert fitted(first, crossing)[2].calendar_free.tolist() == [True, False]
    assert fitted(first, above)[2].calendar_free.tolist() == [True, True]


def status_of(expiry: Expiry, **params: object) -> FitStatus:
    _, _, fits = fitted(expiry, **params)  # type: ignore[arg-type]
    status = FitStatus(fits.status[0])
    assert (status == FitStatus.FITTED) == bool(np.isfinite(raw(fits)).all())
    assert np.isnan(raw(fits)).all() or status == FitStatus.FITTED
    assert (FIT_REASONS[status] is None) == (status == FitStatus.FITTED)
    return status


def test_every_status() -> None:
    smile = svi(0.001, 0.05, -0.6, 0.03, 0.1)

    def of(k: np.ndarray, **changes: object) -> Expiry:
        return from_smile(smile, years=0.25, log_moneyness=k, **changes)  # type: ignore[arg-type]

    wide = np.linspace(-0.2, 0.2, 21)
    assert status_of(of(wide)) == FitStatus.FITTED
    assert status_of(of(wide), fit=False) == FitStatus.NOT_ASKED
    assert status_of(of(wide[8:13])) == FitStatus.TOO_FEW_POINTS
    assert status_of(of(np.linspace(-0.01, 0.01, 2))) == FitStatus.TOO_FEW_POINTS
    assert status_of(of(wide[wide > 0.01])) == FitStatus.ONE_SIDED
    assert status_of(of(wide, noise=0.02 * np.sin(40 * wide)), worst_fit=0.005) == FitStatus.REFUSED_FIT
    nothing = np.zeros(0)
    empty = Expiry(years=0.1, strike=nothing, sign=nothing, bid=nothing, ask=nothing, last=nothing, volume=nothing)
    assert status_of(empty) == FitStatus.NO_FORWARD
    expired = Expiry(years=0.0, strike=np.array([90.0, 110.0]), sign=np.ones(2), bid=np.ones(2), ask=np.ones(2),
                     last=np.ones(2), volume=np.ones(2), forward=100.0)  # fmt: skip
    assert status_of(expired) == FitStatus.EXPIRED


def test_a_refused_fit_shows_its_residual() -> None:
    k = np.linspace(-0.2, 0.2, 21)
    waves = from_smile(svi(0.001, 0.05, -0.6, 0.03, 0.1), years=0.25, log_moneyness=k, noise=0.02 * np.sin(40 * k))
    _, points, fits = fitted(waves, worst_fit=0.005)
    assert fits.status[0] == FitStatus.REFUSED_FIT
    assert 0.005 < fits.residual[0] <= 0.02
    assert 0.01 < fits.worst[0] < 0.04
    assert not fits.butterfly_free[0]
    assert (points.refused == 0).sum() == fits.points[0] > 15


@pytest.mark.parametrize("years", [1e-7, 1 / 365 / 24, 7 / 365, 3.0])
@pytest.mark.parametrize("volatility", [0.01, 0.2, 3.0])
def test_a_flat_smile_at_any_time(years: float, volatility: float) -> None:
    s = volatility * np.sqrt(years)
    k = np.linspace(-2.5, 2.5, 15) * s
    flat = from_smile(lambda k: np.full(len(k), s * s), years=years, log_moneyness=k, forward=24_000.0)
    chains, points, fits = fitted(flat)
    assert not points.refused.any()
    assert fits.status[0] == FitStatus.FITTED
    np.testing.assert_allclose(volatility_at(fits, chains.expiries.years, 0, k), volatility, rtol=1e-3)
    assert fits.butterfly_free[0]


def test_a_fit_in_the_middle_leaves_the_others_alone() -> None:
    k = np.linspace(-0.2, 0.2, 21)
    good = from_smile(svi(0.001, 0.05, -0.6, 0.03, 0.1), years=0.25, log_moneyness=k)
    few = from_smile(svi(0.001, 0.05, -0.6, 0.03, 0.1), years=0.3, log_moneyness=k[9:12])
    later = from_smile(svi(0.003, 0.06, -0.6, 0.03, 0.1), years=0.5, log_moneyness=k)
    _, _, fits = fitted(good, few, later)
    assert fits.status.tolist() == [FitStatus.FITTED, FitStatus.TOO_FEW_POINTS, FitStatus.FITTED]
    np.testing.assert_array_equal(raw(fits, 0), raw(fitted(good)[2]))
    np.testing.assert_array_equal(raw(fits, 2), raw(fitted(later)[2]))


wild = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.floats(0.01, 300.0), st.sampled_from([0.0, 1e-300, 1e300])
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-6, 1e6), wild, wild, wild), min_size=1, max_size=30),
    st.sampled_from([0.0, 1e-12, 1e-4, 0.1, 5.0, 1e9]),
    st.sampled_from([np.nan, 1e-300, 100.0, 1e12]),
)  # fmt: skip
def test_nothing_makes_it_raise(rows: list[tuple[float, ...]], years: float, forward: float) -> None:
    strike, bid, ask, last = (np.repeat(column, 2) for column in np.array(rows).T)
    sign = np.tile([1.0, -1.0], len(rows))
    with np.errstate(all="ignore"):
        _, _, fits = fitted(
            Expiry(years=years, strike=strike, sign=sign, bid=bid, ask=ask, last=last, volume=last, forward=forward)
        )
    assert FitStatus(fits.status[0]) in FitStatus
    if fits.status[0] == FitStatus.FITTED:
        a, b, rho, _, sigma = raw(fits)
        assert a + b * sigma * np.sqrt(1 - rho * rho) >= -1e-9 * abs(a)
        assert b * (1 + abs(rho)) <= 2 * (1 + 1e-9)
        assert sigma > 0
        assert fits.residual[0] <= 0.02


def test_a_day_of_rough_smiles_ends() -> None:
    """What does not settle ends after a bounded number of evaluations."""
    rng = np.random.default_rng(4)
    k = np.linspace(-0.3, 0.3, 60)
    rough = [
        from_smile(svi(0.01, 0.05, -0.6, 0.03, 0.1), years=0.1 + 0.01 * i, log_moneyness=k,
                   noise=rng.normal(0, 0.05, len(k)), spread=0.02)
        for i in range(40)
    ]  # fmt: skip
    chains = priced(rough)
    smile = smile_points(chains, find_strikes(chains))
    begun = time.perf_counter()
    fit_smiles(chains, smile, fit=True, worst_fit=1.0)
    assert time.perf_counter() - begun < 20.0  # a quarter of a second on an idle core
