"""Greeks of higher order in hard corners, against Haug's formulas in sixty digits, and against py_vollib."""

import itertools
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vollib.black import black
from vollib.black.greeks import analytical as black_greeks
from vollib.black_scholes_merton import black_scholes_merton as merton
from vollib.black_scholes_merton.greeks import analytical as merton_greeks

from signals.greeks.core import engine, reference
from signals.greeks.core.conventions import HIGHER_ORDER
from signals.greeks.core.engine import higher_order_greeks
from signals.greeks.core.status import Status

MINUTE = 1 / (365 * 1440)
ROUNDING = mp.mpf(2) ** -52
NAMES = ("volatility", "underlying", "strike", "expiry_years", "rate", "dividend_yield", "sign")
GRID = list(
    itertools.product(
        (1e-6, 1e-3, 0.05, 0.2, 1.0, 5.0, 20.0),
        (100.0,),
        (1.0, 50.0, 99.0, 100.0, 100.0001, 130.0, 1e4),
        (MINUTE / 60, MINUTE, 1 / 365, 0.1, 1.0, 30.0),
        (-0.3, 0.0, 0.065),
        (-0.2, 0.0, 0.05),
        (1.0, -1.0),
        (False, True),
    )
)
# Far wings whose price underflows, a total volatility of nothing, and legs at the ends of what is in range.
EXTREMES = [
    (0.2, 100.0, 1e9, 1e-6, 0.05, 0.0, 1.0, False),
    (0.2, 100.0, 1e-9, 1e-6, 0.05, 0.0, -1.0, True),
    (1e-9, 100.0, 101.0, 1e-8, 0.0, 0.0, 1.0, False),
    (1e-9, 100.0, 100.0, 1e-8, 0.0, 0.0, -1.0, False),
    (3e-5, 100.0, 100.2, 0.01, 0.0, 0.0, 1.0, True),
    (0.01, 100.0, 101.1, 1e-4, 0.0, 0.0, 1.0, False),
]


def columns(rows: list[Any]) -> dict[str, np.ndarray]:
    *values, models = zip(*rows, strict=True)
    return {**{name: np.array(each) for name, each in zip(NAMES, values, strict=True)}, "black76": np.array(models)}


def haug(volatility: Any, underlying: Any, strike: Any, years: Any, rate: Any, carry: Any, sign: Any, futures: bool):
    """The book's own forms, with its b, not those of the kernel."""
    v, s, k, t, r = map(mp.mpf, (volatility, underlying, strike, years, rate))
    b, w = (mp.mpf(0) if futures else r - mp.mpf(carry)), int(sign)
    root = v * mp.sqrt(t)
    d1 = (mp.log(s / k) + (b + v * v / 2) * t) / root
    d2 = d1 - root
    n, grown = mp.npdf(d1), mp.exp((b - r) * t)
    delta, gamma, vega = w * grown * mp.ncdf(w * d1), n * grown / (s * root), s * grown * n * mp.sqrt(t)
    return {
        "vanna": -grown * d2 / v * n / 100,
        "volga": vega * d1 * d2 / v / 10_000,
        "charm": -grown * (n * (b / root - d2 / (2 * t)) + w * (b - r) * mp.ncdf(w * d1)) / 365,
        "speed": -gamma * (1 + d1 / root) / s,
        "zomma": gamma * (d1 * d2 - 1) / v / 100,
        "color": gamma * (r - b + b * d1 / root + (1 - d1 * d2) / (2 * t)) / 365,
        "veta": vega * (r - b + b * d1 / root - (1 + d1 * d2) / (2 * t)) / 36_500,
        "ultima": vega / v**2 * (d1 * d2 * (d1 * d2 - 1) - d1**2 - d2**2) / 1_000_000,
        "dividend_rho": mp.mpf(0) if futures else -w * t * s * grown * mp.ncdf(w * d1) / 100,
        "elasticity": delta * s / (w * (s * grown * mp.ncdf(w * d1) - k * mp.exp(-r * t) * mp.ncdf(w * d2))),
    }


def twin(contract: dict[str, np.ndarray]) -> np.ndarray:
    *values, models = contract.values()
    rows, status = np.empty((10, models.size)), np.empty(models.size, np.uint8)
    reference.higher(*values, models.view(np.uint8), rows, status)
    return rows


def test_every_corner_has_a_finite_number_in_both_twins() -> None:
    contract = columns(GRID + EXTREMES)
    ours = higher_order_greeks(**contract)
    assert (ours.status == Status.OK).all()
    theirs = twin(contract)
    for name, row in zip(HIGHER_ORDER, theirs, strict=True):
        assert np.isfinite(getattr(ours, name)).all(), name
        assert np.isfinite(row).all(), name


@pytest.mark.parametrize("black76", [False, True])
def test_corners_are_the_formulas(black76: bool) -> None:
    """Within 64 times of what one rounding of the underlying moves, and a rounding of the value; elasticity 1e-10."""
    rows = [row for row in GRID if row[-1] is black76]
    rng = np.random.default_rng(20 + black76)
    rows = [rows[place] for place in rng.choice(len(rows), 250, replace=False)]
    rows += [row for row in EXTREMES if row[-1] is black76]
    contract = columns(rows)
    ours, theirs = higher_order_greeks(**contract), twin(contract)
    with mp.workdps(60):
        for place, row in enumerate(rows):
            volatility, underlying, *rest = row
            exact = haug(volatility, underlying, *rest)
            moved = haug(volatility, mp.mpf(underlying) * (1 + ROUNDING), *rest)
            for name, by_twin in zip(HIGHER_ORDER, theirs[:, place], strict=True):
                attainable = 64 * (abs(moved[name] - exact[name]) + 4 * ROUNDING * abs(exact[name]))
                if name == "elasticity":
                    attainable += mp.mpf("1e-10") * abs(exact[name])
                for found in (float(getattr(ours, name)[place]), float(by_twin)):
                    assert abs(found - exact[name]) <= attainable + mp.mpf("1e-300"), (name, row)


@settings(max_examples=400, deadline=None)
@given(
    st.tuples(
        st.floats(1e-12, 1e6),
        st.floats(1e-200, 1e200),
        st.floats(1e-200, 1e200),
        st.floats(1e-12, 1e4),
        st.floats(-0.5, 1),
        st.floats(-0.5, 1),
        st.sampled_from([1.0, -1.0]),
        st.booleans(),
    )
)
def test_never_an_infinity(row: Any) -> None:
    contract = columns([row])
    found = higher_order_greeks(**contract)
    values = np.array([getattr(found, name)[0] for name in HIGHER_ORDER])
    assert not np.isinf(values).any() and not np.isinf(twin(contract)).any()
    if found.status[0] != Status.OK:
        assert np.isnan(values).all()


def test_what_no_double_holds_is_no_number() -> None:
    row = {"volatility": 0.2, "underlying": 1e-180, "strike": 1e-180, "expiry_years": 1.0}
    found = higher_order_greeks(**row, rate=0.0, dividend_yield=0.0, sign=1.0, black76=False)
    assert found.status[0] == Status.OK and np.isnan(found.speed[0])
    assert found.elasticity[0] == pytest.approx(0.5398278 / 0.0796557, rel=1e-6)


def test_elasticity_where_the_price_underflows() -> None:
    """Its limit is ln(K/F)/s^2 + 1/2, and more than that by about one over the same."""
    found = higher_order_greeks(
        volatility=0.2, underlying=100.0, strike=100.0 * np.exp(2.0), expiry_years=1e-4, rate=0.0, dividend_yield=0.0,
        sign=[1.0, -1.0], black76=True,
    )  # fmt: skip
    call, put = found.elasticity
    assert call == pytest.approx(2.0 / 4e-6 + 0.5, rel=1e-5)
    assert put == pytest.approx(-1 / (np.exp(2.0) - 1), rel=1e-12)  # certain to be exercised: -F/(K - F)
    assert found.vanna.tolist() == found.ultima.tolist() == [0.0, 0.0]


@pytest.mark.skipif(engine.kernel is reference, reason="numba is switched off: the engine is its own twin")
@pytest.mark.parametrize("n", [1, 7, 8, 9, 255, 256, 257, 1000])
def test_a_row_does_not_depend_on_its_neighbours(n: int) -> None:
    rng = np.random.default_rng(n)
    rows = [(GRID + EXTREMES)[place] for place in rng.choice(len(GRID) + len(EXTREMES), n)]
    together = higher_order_greeks(**columns(rows))
    for place in {0, n // 2, n - 1}:
        alone = higher_order_greeks(**columns([rows[place]]))
        for name in HIGHER_ORDER:  # vector and scalar code may differ in the last digits
            assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[place], rel=1e-9, abs=1e-300), name


@pytest.mark.parametrize("futures", [False, True])
@pytest.mark.parametrize("flag", ["c", "p"])
@pytest.mark.parametrize("strike", [80.0, 100.0, 125.0])
def test_py_vollib_has_the_same_slopes(futures: bool, flag: str, strike: float) -> None:
    """Central differences of py_vollib's own prices and Greeks, which know nothing of our formulas."""
    s, t, r, v, q = 100.0, 0.4, 0.03, 0.25, 0.01
    found = higher_order_greeks(
        volatility=v, underlying=s, strike=strike, expiry_years=t, rate=r, dividend_yield=q,
        sign=1.0 if flag == "c" else -1.0, black76=futures,
    )  # fmt: skip

    def price(s: float, t: float, v: float, q: float) -> float:
        return black(flag, s, strike, t, r, v) if futures else merton(flag, s, strike, t, r, v, q)

    def greek(name: str, s: float, t: float, v: float) -> float:
        if futures:
            return getattr(black_greeks, name)(flag, s, strike, t, r, v)
        return getattr(merton_greeks, name)(flag, s, strike, t, r, v, q)

    def slope(function: Any, at: float, step: float) -> float:
        """Five points: the error is of fourth order."""
        near, far = function(at + step) - function(at - step), function(at + 2 * step) - function(at - 2 * step)
        return (8 * near - far) / (12 * step)

    def second(function: Any, at: float, step: float) -> float:
        near, far = function(at + step) + function(at - step), function(at + 2 * step) + function(at - 2 * step)
        return (16 * near - far - 30 * function(at)) / (12 * step**2)

    expected = {
        "vanna": slope(lambda x: greek("delta", s, t, x), v, 1e-3) / 100,
        "volga": slope(lambda x: greek("vega", s, t, x), v, 1e-3) / 100,
        "charm": -slope(lambda x: greek("delta", s, x, v), t, 1e-3) / 365,
        "speed": slope(lambda x: greek("gamma", x, t, v), s, 0.1),
        "zomma": slope(lambda x: greek("gamma", s, t, x), v, 1e-3) / 100,
        "color": -slope(lambda x: greek("gamma", s, x, v), t, 1e-3) / 365,
        "veta": -slope(lambda x: greek("vega", s, x, v), t, 1e-3) / 365,
        "ultima": second(lambda x: greek("vega", s, t, x), v, 1e-3) / 10_000,
        "dividend_rho": slope(lambda x: price(s, t, v, x), q, 1e-3) / 100,
        "elasticity": greek("delta", s, t, v) * s / price(s, t, v, q),
    }
    for name, value in expected.items():
        assert getattr(found, name)[0] == pytest.approx(value, rel=2e-5, abs=1e-9), name
