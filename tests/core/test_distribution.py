"""Skew and the distribution that a smile implies, against closed forms, quadrature and differences of prices."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from moneyness.core.distribution import density, settles_above, skews
from moneyness.core.evaluation import FitColumns, SkewColumns, SmileColumns
from moneyness.core.layout import find_strikes
from moneyness.core.priced import PricedChains
from moneyness.core.smile import smile_points
from moneyness.core.smile_words import FitStatus
from moneyness.core.svi import log_moneyness_at_delta, surface, total_variance, volatility_at
from moneyness.core.svi_fit import fit_smiles
from tests.core.smile_chains import Expiry, from_smile, priced
from tests.core.test_svi_fit import KNOWN, VOGT, strikes, svi


def read(*expiries: Expiry, fit: bool = True) -> tuple[PricedChains, SmileColumns, FitColumns, SkewColumns]:
    chains = priced(list(expiries))
    smile = smile_points(chains, find_strikes(chains))
    fits = fit_smiles(chains, smile, fit=fit, worst_fit=0.02)
    return chains, smile, fits, skews(chains, smile, fits)


def known(name: str, **changes: object) -> Expiry:
    *parameters, years = KNOWN[name]
    return from_smile(svi(*parameters), years=years, log_moneyness=strikes(KNOWN[name], **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KNOWN)
def test_the_density_integrates_to_one_and_its_mean_is_the_forward(name: str) -> None:
    _, _, fits, skew = read(known(name))
    s = math.sqrt(float(total_variance(fits, 0, 0.0)))

    def moment(of) -> float:
        points = [float(fits.m[0]), *(side * width * s for side in (-1, 1) for width in (3, 10, 30, 100))]
        return quad(lambda k: of(k) * float(density(fits, 0, k)), -600 * s, 600 * s, points=points, limit=400)[0]

    assert moment(lambda k: 1.0) == pytest.approx(1.0, abs=1e-7)
    assert moment(math.exp) == pytest.approx(1.0, abs=1e-7)
    assert skew.mean[0] == pytest.approx(1.0, abs=1e-9)
    mean = moment(lambda k: k)
    second, third, fourth = (moment(lambda k, n=n: (k - mean) ** n) for n in (2, 3, 4))
    assert skew.deviation[0] == pytest.approx(math.sqrt(second), rel=1e-6)
    assert skew.skewness[0] == pytest.approx(third / second**1.5, abs=1e-5)
    assert skew.kurtosis[0] == pytest.approx(fourth / second**2 - 3, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", KNOWN)
def test_the_density_is_the_second_difference_of_call_prices(name: str) -> None:
    """Breeden and Litzenberger: the density of S_T is exp(rT) d2C/dK2."""
    *parameters, _ = KNOWN[name]
    _, _, fits, _ = read(known(name))
    of = svi(*parameters)

    def call(strike: float) -> float:
        s = math.sqrt(of(math.log(strike)))
        d1 = -math.log(strike) / s + s / 2
        return norm.cdf(d1) - strike * norm.cdf(d1 - s)

    s = math.sqrt(of(0.0))
    for k in np.linspace(-2, 2, 9) * s:
        strike, step = math.exp(k), 2e-3 * s
        second = (call(strike + step) - 2 * call(strike) + call(strike - step)) / step**2
        assert float(density(fits, 0, k)) / strike == pytest.approx(second, rel=2e-3)


@pytest.mark.parametrize("volatility", [0.1, 0.8])
@pytest.mark.parametrize("years", [1 / 365, 1.0])
def test_a_flat_smile_is_lognormal(volatility: float, years: float) -> None:
    s = volatility * math.sqrt(years)
    k = np.linspace(-3, 3, 31) * s
    chains, smile, fits, skew = read(from_smile(lambda k: np.full(len(k), s * s), years=years, log_moneyness=k))
    assert skew.risk_reversal_25[0] == pytest.approx(0.0, abs=1e-4)
    assert skew.butterfly_25[0] == pytest.approx(0.0, abs=1e-4)
    assert skew.slope[0] == pytest.approx(0.0, abs=1e-3 * volatility / s)
    assert skew.deviation[0] == pytest.approx(s, rel=1e-3)
    assert skew.skewness[0] == pytest.approx(0.0, abs=0.01)
    assert skew.kurtosis[0] == pytest.approx(0.0, abs=0.05)
    np.testing.assert_allclose(settles_above(chains, smile, fits), norm.cdf(-k / s - s / 2), atol=1e-3)


@pytest.mark.parametrize("name", KNOWN)
def test_skew_equals_a_search_on_the_known_smile(name: str) -> None:
    *parameters, years = KNOWN[name]
    _, _, _, skew = read(known(name))
    of = svi(*parameters)

    def volatility(sign: float) -> float:
        def short(k: float) -> float:
            s = math.sqrt(of(k))
            return norm.cdf(sign * (-k / s + s / 2)) - 0.25

        return math.sqrt(of(brentq(short, -2.0, 2.0)) / years)

    call, put, money = volatility(1.0), volatility(-1.0), math.sqrt(of(0.0) / years)
    slope = (math.sqrt(of(1e-5) / years) - math.sqrt(of(-1e-5) / years)) / 2e-5
    assert skew.from_fit[0]
    assert skew.risk_reversal_25[0] == pytest.approx(call - put, abs=1e-6)
    assert skew.butterfly_25[0] == pytest.approx((call + put) / 2 - money, abs=1e-6)
    assert skew.slope[0] == pytest.approx(slope, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("fit", [True, False])
def test_the_probability_to_settle_above_is_the_slope_of_call_prices(name: str, fit: bool) -> None:
    *parameters, _ = KNOWN[name]
    chains, smile, fits, _ = read(known(name), fit=fit)
    of = svi(*parameters)

    def call(strike: float) -> float:
        s = math.sqrt(of(math.log(strike)))
        d1 = -math.log(strike) / s + s / 2
        return norm.cdf(d1) - strike * norm.cdf(d1 - s)

    found = settles_above(chains, smile, fits)
    step = 1e-5
    expected = [-(call(x + step) - call(x - step)) / (2 * step) for x in np.exp(smile.log_moneyness)]
    known_at = np.isfinite(found)
    assert known_at.sum() == (len(found) if fit else len(found) - 2)
    np.testing.assert_allclose(found[known_at], np.array(expected)[known_at], atol=1e-5 if fit else 1e-2)
    assert (np.diff(found[known_at]) < 0).all()


def test_without_a_fit_skew_comes_from_the_points() -> None:
    *_, with_fit = read(known("index, a quarter", count=121))
    *_, without = read(known("index, a quarter", count=121), fit=False)
    assert not without.from_fit[0]
    assert without.risk_reversal_25[0] == pytest.approx(with_fit.risk_reversal_25[0], abs=2e-5)
    assert without.butterfly_25[0] == pytest.approx(with_fit.butterfly_25[0], abs=5e-5)
    assert without.slope[0] == pytest.approx(with_fit.slope[0], abs=0.05)
    for name in ("mean", "deviation", "skewness", "kurtosis"):
        assert np.isnan(getattr(without, name)[0])


def test_probabilities_far_from_the_money_are_0_and_1() -> None:
    *parameters, years = KNOWN["index, a week"]
    k = np.concatenate([[-0.9, -0.5], strikes(KNOWN["index, a week"]), [0.5, 0.9]])
    chains, smile, fits, _ = read(from_smile(svi(*parameters), years=years, log_moneyness=k))
    above = settles_above(chains, smile, fits)
    assert np.isfinite(above).all()
    assert ((above >= 0) & (above <= 1)).all()
    assert above[0] == pytest.approx(1.0, abs=1e-9)
    assert above[-1] == pytest.approx(0.0, abs=1e-9)


def slow_skew(k: np.ndarray, volatility: np.ndarray, years: float) -> tuple[float, float]:
    """25-delta call and put from points, by the words of the docstring."""
    found = []
    for sign in (1.0, -1.0):
        order = np.argsort(sign * k)
        start = next((i for i in range(len(k)) if sign * k[order[i]] >= 0), None)
        if start is None or (start == 0 and k[order[0]] != 0):
            return math.nan, math.nan
        places = order[max(start - 1, 0) :]
        s = volatility[places] * math.sqrt(years)
        deltas = norm.cdf(sign * (-k[places] / s + s / 2))
        value = math.nan
        for i in range(len(places) - 1):
            near, far = deltas[i], deltas[i + 1]
            if near >= 0.25 >= far and near > far:
                share = (near - 0.25) / (near - far)
                value = volatility[places[i]] * (1 - share) + volatility[places[i + 1]] * share
                break
        found.append(value)
    return found[0], found[1]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 0.1), st.floats(-0.01, 0.01)), min_size=2, max_size=15), st.floats(-0.6, 0.1))
def test_the_points_are_read_as_a_slow_reading_does(steps: list[tuple[float, float]], first: float) -> None:
    k = first + np.cumsum([step for step, _ in steps])
    volatility = 0.4 - 0.2 * k + np.array([noise for _, noise in steps])
    chains, smile, _, skew = read(
        from_smile(lambda k: np.square(volatility) * 0.2, years=0.2, log_moneyness=k), fit=False
    )
    used = smile.refused == 0
    call, put = slow_skew(smile.log_moneyness[used], smile.volatility[used], chains.expiries.years[0])
    np.testing.assert_allclose(skew.risk_reversal_25[0], call - put, atol=1e-12)


def test_what_lies_beyond_the_points_is_not_read_as_skew() -> None:
    """A fit over strikes within 30 delta knows the volatility at the money, and not that of 25 delta."""
    _, _, fits, skew = read(known("index, a quarter", deviations=0.4))
    assert fits.status[0] == FitStatus.FITTED
    assert np.isnan(skew.risk_reversal_25[0])
    assert np.isfinite(skew.slope[0])


def test_a_negative_density_has_no_moments_and_no_probabilities_of_its_own() -> None:
    k = np.linspace(-1.5, 1.5, 61)
    chains, smile, fits, skew = read(from_smile(svi(*VOGT), years=1.0, log_moneyness=k))
    assert not fits.butterfly_free[0]
    assert np.isnan(skew.mean[0])
    assert np.isfinite(skew.risk_reversal_25[0])
    assert np.isnan(settles_above(chains, smile, fits)[[0, -1]]).all()  # from the points: not at their ends


def test_deltas_and_strikes_of_them() -> None:
    _, _, fits, _ = read(known("coin"), known("coin"))
    asked = np.array([0.05, 0.25, 0.5, 0.9, -0.05, -0.25, -0.5, 0.0, 1.0, -1.0, 2.0, np.nan])
    k = log_moneyness_at_delta(fits, asked)
    s = np.sqrt(total_variance(fits, 0, k[0]))
    d1 = -k[0] / s + s / 2
    got = np.where(asked > 0, norm.cdf(d1), norm.cdf(d1) - 1)
    np.testing.assert_allclose(got[:7], asked[:7], atol=1e-12)
    assert np.isnan(k[:, 7:]).all()
    np.testing.assert_array_equal(k[0], k[1])


def test_a_surface_is_linear_in_total_variance_between_fits_and_null_outside() -> None:
    k = np.linspace(-0.3, 0.3, 31)
    first = from_smile(svi(0.01, 0.1, -0.3, 0.0, 0.1), years=0.25, log_moneyness=k)
    few = from_smile(svi(0.01, 0.1, -0.3, 0.0, 0.1), years=0.3, log_moneyness=k[14:17])
    last = from_smile(svi(0.02, 0.12, -0.3, 0.0, 0.1), years=0.5, log_moneyness=2 * k)
    chains, _, fits, _ = read(first, few, last)
    years, grid = chains.expiries.years, np.array([-0.5, 0.0, 0.25])
    whole = surface(fits, years, np.arange(3), grid)
    assert np.isnan(whole.total_variance[1]).all()
    np.testing.assert_allclose(whole.volatility[0], volatility_at(fits, years, 0, grid))
    assert whole.beyond.tolist() == [[True, False, False], [False] * 3, [False] * 3]
    times = np.array([0.1, 0.25, 0.375, 0.45, 0.5, 0.6, np.nan])
    between = surface(fits, years, np.arange(3), grid, times)
    one, two = total_variance(fits, 0, grid), total_variance(fits, 2, grid)
    for row, share in ((1, 0.0), (2, 0.5), (3, 0.8), (4, 1.0)):
        np.testing.assert_allclose(between.total_variance[row], one * (1 - share) + two * share, rtol=1e-12)
    assert np.isnan(between.total_variance[[0, 5, 6]]).all()
    assert between.beyond[:, 0].tolist() == [False, True, True, True, False, False, False]
    np.testing.assert_allclose(between.volatility[2], np.sqrt((one + two) / 2 / 0.375))
    nothing = surface(replace(fits, status=np.full(3, 4, np.uint8)), years, np.arange(3), grid, times)
    assert np.isnan(nothing.total_variance).all()
    only = surface(fits, years, np.array([2]), grid, np.array([0.4, 0.5]))
    assert np.isnan(only.total_variance[0]).all()
    np.testing.assert_allclose(only.total_variance[1], two)


def test_no_expiries() -> None:
    chains, smile, fits, skew = read()
    assert len(skew.mean) == len(settles_above(chains, smile, fits)) == 0
