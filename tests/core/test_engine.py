"""The engine compared with py_vollib, 40-digit arithmetic, its inverse, parity and its numpy twin."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vollib.black import black
from vollib.black.greeks import analytical as black76
from vollib.black.implied_volatility import implied_volatility as black76_iv
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical as merton
from vollib.black_scholes_merton.implied_volatility import implied_volatility as merton_iv

from signals.greeks.core import engine, reference
from signals.greeks.core.conventions import HIGHER_ORDER
from signals.greeks.core.engine import higher_order_greeks, implied_greeks, model_greeks
from signals.greeks.core.status import Status
from tests.core.forty_digits import attainable, contracts, exact_price, exact_volatility

GREEKS = ("delta", "gamma", "theta", "vega", "rho")


def split(columns):
    """Return the contract without the volatility, and the effective carry."""
    contract = {name: column for name, column in columns.items() if name != "volatility"}
    return contract, np.where(columns["black76"], columns["rate"], columns["dividend_yield"])


def precision(answer, columns):
    contract, carry = split(columns)
    return attainable(
        answer, contract["underlying"], contract["strike"], contract["expiry_years"], contract["rate"], carry
    )


def py_vollib(row):
    """Return py_vollib's (price, implied volatility, Greeks at the given volatility)."""
    flag = "c" if row["sign"] > 0 else "p"
    s, k, t, r, q, v = (
        row[n] for n in ("underlying", "strike", "expiry_years", "rate", "dividend_yield", "volatility")
    )
    if row["black76"]:
        price = black(flag, s, k, t, r, v)
        return price, black76_iv(price, s, k, r, t, flag), [getattr(black76, g)(flag, s, k, t, r, v) for g in GREEKS]
    price = black_scholes_merton(flag, s, k, t, r, v, q)
    return price, merton_iv(price, s, k, t, r, q, flag), [getattr(merton, g)(flag, s, k, t, r, v, q) for g in GREEKS]


def test_agrees_with_py_vollib():
    columns = contracts(1500)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    answers = [py_vollib(row) for row in rows]
    prices, volatilities = np.array([a[0] for a in answers]), np.array([a[1] for a in answers])
    contract, carry = split(columns)

    implied = implied_greeks(price=prices, **contract)
    solved = implied.status == Status.OK
    assert solved.mean() > 0.97
    within = np.abs(implied.implied_volatility / volatilities - 1) <= np.maximum(1e-9, 8 * precision(implied, columns))
    for j in np.flatnonzero(solved & ~within):  # where they differ, the engine must be as near to the 40-digit root
        args = [contract[n][j] for n in ("underlying", "strike", "expiry_years", "rate")]
        exact = exact_volatility(prices[j], *args, carry[j], contract["sign"][j], implied.implied_volatility[j])
        assert abs(implied.implied_volatility[j] - exact) <= abs(volatilities[j] - exact)

    at_given = model_greeks(**columns)
    np.testing.assert_allclose(at_given.price, prices, rtol=1e-11, atol=1e-11 * columns["underlying"].max())
    for position, name in enumerate(GREEKS):
        theirs = np.array([a[2][position] for a in answers])
        ours = getattr(at_given, name)
        scale = np.maximum(1, np.abs(theirs))
        # money Greeks carry the rounding of the underlying's magnitude: the comparison is for an underlying of 100
        unit = 1.0 if name in ("delta", "gamma") else np.maximum(1, columns["underlying"] / 100)
        assert np.max(np.abs(ours - theirs) / scale / unit) < 1e-11, name


def test_is_as_exact_as_double_precision_allows():
    columns = contracts(400, seed=3, wild=True)
    contract, carry = split(columns)
    price = model_greeks(**columns).price
    implied = implied_greeks(price=price, **contract)
    worst = 0.0
    limit = precision(implied, columns)
    for j in np.flatnonzero((implied.status == Status.OK) & (limit < 1e-3)):
        args = [contract[n][j] for n in ("underlying", "strike", "expiry_years", "rate")]
        exact = exact_volatility(price[j], *args, carry[j], contract["sign"][j], implied.implied_volatility[j])
        worst = max(worst, float(abs(implied.implied_volatility[j] / exact - 1)) / limit[j])
    assert 0 < worst < 4


def test_greeks_and_price_are_exact():
    columns = contracts(120, seed=5)
    contract, carry = split(columns)
    answer = model_greeks(**columns)
    for j in range(120):
        s, k, t, r = (float(contract[n][j]) for n in ("underlying", "strike", "expiry_years", "rate"))
        v, w, q = float(columns["volatility"][j]), float(contract["sign"][j]), float(carry[j])
        futures = bool(contract["black76"][j])

        def value(x, sigma, years, interest, k=k, q=q, w=w):
            return exact_price(sigma, x, k, years, interest, q, w)

        at = (s, v, t, r)
        price = value(*at)
        exact = {
            "price": price,
            "delta": mp.diff(value, at, (1, 0, 0, 0)),
            "gamma": mp.diff(value, at, (2, 0, 0, 0)),
            "theta": -mp.diff(value, at, (0, 0, 1, 0)) / 365,
            "vega": mp.diff(value, at, (0, 1, 0, 0)) / 100,
            "rho": (-t * price if futures else mp.diff(value, at, (0, 0, 0, 1))) / 100,
        }
        for name, expected in exact.items():
            scale = max(1.0, abs(float(expected))) * (1.0 if name in ("delta", "gamma") else max(1.0, s / 100))
            assert abs(getattr(answer, name)[j] - expected) < 1e-11 * scale, name


def test_higher_orders_are_the_derivatives():
    columns = contracts(60, seed=6)
    contract, carry = split(columns)
    answer = higher_order_greeks(**columns)
    assert (answer.status == Status.OK).all()
    for j in range(60):
        s, k, t, r = (float(contract[n][j]) for n in ("underlying", "strike", "expiry_years", "rate"))
        v, w, q = float(columns["volatility"][j]), float(contract["sign"][j]), float(carry[j])

        def value(x, sigma, years, k=k, r=r, q=q, w=w):
            return exact_price(sigma, x, k, years, r, q, w)

        def of_yield(q, s=s, v=v, t=t, k=k, r=r, w=w):
            return exact_price(v, s, k, t, r, q, w)

        exact = {
            "vanna": mp.diff(value, (s, v, t), (1, 1, 0)) / 100,
            "volga": mp.diff(value, (s, v, t), (0, 2, 0)) / 10_000,
            "charm": -mp.diff(value, (s, v, t), (1, 0, 1)) / 365,
            "speed": mp.diff(value, (s, v, t), (3, 0, 0)),
            "zomma": mp.diff(value, (s, v, t), (2, 1, 0)) / 100,
            "color": -mp.diff(value, (s, v, t), (2, 0, 1)) / 365,
            "veta": -mp.diff(value, (s, v, t), (0, 1, 1)) / 36_500,
            "ultima": mp.diff(value, (s, v, t), (0, 3, 0)) / 1_000_000,
            "dividend_rho": 0 if columns["black76"][j] else mp.diff(of_yield, q) / 100,
            "elasticity": mp.diff(value, (s, v, t), (1, 0, 0)) * s / value(s, v, t),
        }
        for name, expected in exact.items():
            assert getattr(answer, name)[j] == pytest.approx(float(expected), rel=1e-8, abs=1e-12), name


@pytest.mark.parametrize("wild", [False, True])
def test_price_to_volatility_to_price(wild):
    columns = contracts(50_000, seed=7, wild=wild)
    contract, _ = split(columns)
    price = model_greeks(**columns).price
    implied = implied_greeks(price=price, **contract)
    solved = implied.status == Status.OK
    assert (implied.price[solved] == price[solved]).all()
    error = np.abs(implied.implied_volatility / columns["volatility"] - 1)
    assert (error <= 8 * precision(implied, columns))[solved].all()
    again = model_greeks(volatility=np.where(solved, implied.implied_volatility, 1.0), **contract)
    legs = contract["underlying"] + contract["strike"]
    assert (np.abs(again.price - price) <= 1e-12 * price + 1e-14 * legs)[solved].all()
    assert not (implied.status == Status.NOT_CONVERGED).any()


def test_put_call_parity():
    columns = contracts(20_000, seed=8, wild=True)
    contract, carry = split(columns)
    call = model_greeks(**(columns | {"sign": 1.0}))
    put = model_greeks(**(columns | {"sign": -1.0}))
    leg_a = contract["underlying"] * np.exp(-carry * contract["expiry_years"])
    leg_b = contract["strike"] * np.exp(-contract["rate"] * contract["expiry_years"])
    np.testing.assert_allclose(call.price - put.price, leg_a - leg_b, rtol=0, atol=1e-14 * (leg_a + leg_b).max())
    np.testing.assert_allclose(call.delta - put.delta, leg_a / contract["underlying"], rtol=1e-13)
    for name in ("gamma", "vega"):
        np.testing.assert_allclose(getattr(call, name), getattr(put, name), rtol=1e-13)


positive = st.floats(1e-3, 1e7)


@settings(max_examples=300, deadline=None)
@given(
    volatility=st.floats(1e-3, 20),
    underlying=positive,
    moneyness=st.floats(-3, 3),
    years=st.floats(1 / (365 * 24 * 60), 60),
    rate=st.floats(-0.2, 0.5),
    dividend_yield=st.floats(-0.2, 0.5),
    sign=st.sampled_from([-1.0, 1.0]),
    black76=st.booleans(),
)
def test_any_price_gives_a_volatility_that_gives_it_back_or_a_reason(
    volatility, underlying, moneyness, years, rate, dividend_yield, sign, black76
):
    contract = {
        "underlying": underlying,
        "strike": underlying * np.exp(moneyness),
        "expiry_years": years,
        "rate": rate,
        "dividend_yield": dividend_yield,
        "sign": sign,
        "black76": black76,
    }
    price = model_greeks(volatility=volatility, **contract).price
    implied = implied_greeks(price=price, **contract)
    if implied.status[0] == Status.OK:
        again = model_greeks(volatility=implied.implied_volatility, **contract).price
        assert again == pytest.approx(price, rel=1e-11, abs=1e-15 * (underlying + contract["strike"]))
    else:
        assert implied.status[0] in (Status.NO_TIME_VALUE, Status.ABOVE_MAXIMUM)
        assert np.isnan([implied.implied_volatility[0], implied.delta[0], implied.price[0]]).all()


@pytest.mark.skipif(engine.kernel is reference, reason="numba is switched off: the engine is its own twin")
@pytest.mark.parametrize("wild", [False, True])
def test_kernel_and_twin_agree(wild):
    columns = contracts(20_000, seed=9, wild=wild)
    contract, _ = split(columns)
    columns = [np.ascontiguousarray(column, np.float64) for column in list(columns.values())[:-1]]
    models = contract["black76"].view(np.uint8)
    ours = model_greeks(volatility=columns[0], **contract)
    result, status = np.empty((7, 20_000)), np.empty(20_000, np.uint8)
    reference.model(*columns, models, result, status)
    scale = np.maximum(1, columns[1])
    for row, name in zip(result[1:], ("price", *GREEKS), strict=True):
        close = np.abs(row - getattr(ours, name)) / np.maximum(1, np.abs(row)) / scale
        assert np.max(close) < 1e-11 if wild else np.max(close) < 1e-12, name

    implied = implied_greeks(price=ours.price, **contract)
    reference.implied(ours.price, *columns[1:], models, result, status)
    both = (implied.status == Status.OK) & (status == Status.OK)
    assert (implied.status != status).mean() < 1e-4  # within a rounding of the limits only
    limit = np.maximum(1e-12, 8 * precision(implied, dict(contract)))
    assert (np.abs(result[0] / implied.implied_volatility - 1) <= limit)[both].all()

    higher = higher_order_greeks(volatility=columns[0], **contract)
    rows = np.empty((10, 20_000))
    reference.higher(*columns, models, rows, status)
    for row, name in zip(rows, HIGHER_ORDER, strict=True):
        assert np.max(np.abs(row - getattr(higher, name)) / np.maximum(1, np.abs(row))) < 1e-9, name
