"""Statuses, the edges of the domain, and the arguments that the engine accepts."""

import math
import subprocess
import sys

import numpy as np
import pytest

from signals.greeks.core import engine, reference
from signals.greeks.core.columns import GreekColumns
from signals.greeks.core.engine import higher_order_greeks, implied_greeks, model_greeks
from signals.greeks.core.py_vollib_fallback import solve_with_py_vollib
from signals.greeks.core.status import Status
from tests.core.forty_digits import exact_volatility

AT_THE_MONEY = {
    "price": 10.0,
    "underlying": 100.0,
    "strike": 100.0,
    "expiry_years": 1.0,
    "rate": 0.05,
    "dividend_yield": 0.0,
    "sign": 1.0,
    "black76": False,
}
MINUTE = 1 / (365 * 24 * 60)
FREE = {"rate": 0.0}
CASES = [
    (Status.OK, {}),
    # the three limits of a price
    (Status.BELOW_INTRINSIC, {"price": 4.0}),
    (Status.BELOW_INTRINSIC, {"price": -1.0, "strike": 200.0}),
    (Status.BELOW_INTRINSIC, {"price": 9.999999, "strike": 90.0, **FREE}),
    (Status.NO_TIME_VALUE, {"price": 10.0, "strike": 90.0, **FREE}),
    (Status.NO_TIME_VALUE, {"price": 100 - 100 * math.exp(-0.05)}),
    (Status.NO_TIME_VALUE, {"price": 0.0, "strike": 200.0}),
    (Status.NO_TIME_VALUE, {"price": math.nextafter(10.0, 11.0), "strike": 90.0, **FREE}),
    (Status.OK, {"price": 10.000001, "strike": 90.0, **FREE}),
    (Status.ABOVE_MAXIMUM, {"price": 100.0}),
    (Status.ABOVE_MAXIMUM, {"price": 1e9}),
    (Status.ABOVE_MAXIMUM, {"price": 96.0, "sign": -1.0}),
    (Status.ABOVE_MAXIMUM, {"price": math.nextafter(100.0, 0.0)}),
    (Status.OK, {"price": 99.999999}),
    # time
    (Status.EXPIRED, {"expiry_years": 0.0}),
    (Status.EXPIRED, {"expiry_years": -0.1, "underlying": math.nan}),
    (Status.BAD_INPUT, {"expiry_years": math.nan}),
    (Status.BAD_INPUT, {"expiry_years": math.inf}),
    (Status.OK, {"expiry_years": MINUTE, "price": 0.02, **FREE}),
    (Status.OK, {"expiry_years": 100.0, "price": 99.5}),
    # everything else that is not a number or not a contract
    (Status.BAD_INPUT, {"price": math.nan}),
    (Status.BAD_INPUT, {"price": math.inf}),
    *((Status.BAD_INPUT, {name: bad}) for name in ("underlying", "strike") for bad in (0.0, -1.0, math.nan, math.inf)),
    *((Status.BAD_INPUT, {name: bad}) for name in ("rate", "dividend_yield") for bad in (math.nan, math.inf)),
    *((Status.BAD_INPUT, {"sign": bad}) for bad in (0.0, 2.0, math.nan)),
    (Status.BAD_INPUT, {"rate": -800.0}),  # a strike worth more than a double can hold
    (Status.BAD_INPUT, {"rate": 800.0}),  # and less
    # far corners with an answer
    (Status.OK, {"rate": -0.1}),
    (Status.OK, {"dividend_yield": math.nan, "black76": True}),
    (Status.OK, {"price": 1e-12, "strike": 100.0, **FREE}),
    (Status.OK, {"price": 1e-30, "strike": 200.0}),
    (Status.OK, {"price": 1e-300, "strike": 200.0}),
    (Status.OK, {"price": 5e-324, "strike": 200.0}),  # subnormal
    (Status.OK, {"price": 1e-200, "strike": 1e6}),
    (Status.OK, {"price": 50.0, "strike": 1e9}),
    (Status.OK, {"price": 99.99, "strike": 1e9}),
    (Status.OK, {"price": 1e-9, "underlying": 1e-9, "strike": 1e-3, "sign": 1.0, "rate": 0.0, "dividend_yield": -0.01}),
    (Status.OK, {"price": 1e160, "underlying": 1e161, "strike": 1e161}),
    (Status.OK, {"price": 1e-161, "underlying": 1e-160, "strike": 1e-160}),
    (Status.OK, {"price": 1.0, "underlying": 1e200, "strike": 1e-200, "sign": -1.0, "price_scale": 1e-201}),
    # the volatility exists (1e-310), but its gamma does not fit a double
    (Status.NOT_CONVERGED, {"price": 1e-310, **FREE}),
]


@pytest.mark.parametrize(("status", "changes"), CASES)
@pytest.mark.parametrize("position", [0, 3, 20])
def test_status(status, changes, position):
    """An option alone, inside a full vector and in the overlapping tail has the same result."""
    contract = AT_THE_MONEY | changes
    contract["price"] *= contract.pop("price_scale", 1.0)
    n = 1 if position == 0 else 21
    columns = {name: np.full(n, AT_THE_MONEY[name]) for name in AT_THE_MONEY}
    for name, value in contract.items():
        columns[name][position] = value
    answer = implied_greeks(**columns)
    assert Status(answer.status[position]) is status
    values = [getattr(answer, name)[position] for name in GreekColumns._fields if name != "status"]
    if status is not Status.OK:
        assert np.isnan(values).all()
        return
    assert np.isfinite(values).all()
    carry = contract["rate"] if contract["black76"] else contract["dividend_yield"]
    exact = exact_volatility(
        contract["price"], *(contract[n] for n in ("underlying", "strike", "expiry_years", "rate")),
        carry, contract["sign"], answer.implied_volatility[position],
    )  # fmt: skip
    # the least exact of them have a time value of a millionth beside a price of ten
    assert float(abs(answer.implied_volatility[position] / exact - 1)) < 1e-8


@pytest.mark.skipif(engine.kernel is reference, reason="numba is switched off: the engine is its own twin")
@pytest.mark.parametrize(("status", "changes"), CASES)
def test_twin_says_the_same(status, changes):
    contract = AT_THE_MONEY | changes
    contract["price"] *= contract.pop("price_scale", 1.0)
    models = np.array([contract.pop("black76")], np.uint8)
    columns = [np.array([value]) for value in contract.values()]
    result, codes = np.empty((7, 1)), np.empty(1, np.uint8)
    unsolved = reference.implied(*columns, models, result, codes)
    assert Status(codes[0]) is status
    assert unsolved == (status is Status.NOT_CONVERGED)
    ours = implied_greeks(**contract, black76=models)
    # the hardest of them (one part in 1e7 of time value) amplify a last-digit difference of exp that much
    np.testing.assert_allclose(result[0], ours.implied_volatility, rtol=1e-8)


@pytest.mark.parametrize("function", [model_greeks, higher_order_greeks])
@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (Status.OK, {}),
        (Status.OK, {"volatility": 1e-6}),
        (Status.OK, {"volatility": 1e6}),
        (Status.OK, {"underlying": 1e160, "strike": 1e160}),
        (Status.EXPIRED, {"expiry_years": 0.0}),
        (Status.BAD_INPUT, {"volatility": 0.0}),
        (Status.BAD_INPUT, {"volatility": -0.2}),
        (Status.BAD_INPUT, {"volatility": math.nan}),
        (Status.BAD_INPUT, {"volatility": math.inf}),
        (Status.BAD_INPUT, {"volatility": 1e-120}),
        (Status.BAD_INPUT, {"strike": 0.0}),
        (Status.BAD_INPUT, {"expiry_years": math.nan}),
    ],
)
def test_status_of_a_given_volatility(function, status, changes):
    contract = {name: value for name, value in AT_THE_MONEY.items() if name != "price"} | {"volatility": 0.2} | changes
    answer = function(**contract)
    assert Status(answer.status[0]) is status
    values = np.array([getattr(answer, name)[0] for name in answer.__slots__ if name != "status"])
    assert np.isnan(values).all() if status is not Status.OK else np.isfinite(values).all()


def test_columns_and_scalars_mix():
    strikes = np.array([90.0, 100.0, 110.0])
    answer = implied_greeks(
        **AT_THE_MONEY | {"strike": strikes, "price": [16.0, 10.0, 6.0], "black76": [True, False, 1]}
    )
    assert answer.status.tolist() == [0, 0, 0]
    one = implied_greeks(**AT_THE_MONEY)
    assert answer.implied_volatility[1] == one.implied_volatility[0]
    assert implied_greeks(**AT_THE_MONEY | {"strike": np.empty(0)}).price.size == 0


def test_any_layout_of_an_array_is_taken():
    strikes = np.repeat(np.linspace(80, 120, 30), 2)
    locked = strikes[::2].copy()
    locked.flags.writeable = False
    plain = implied_greeks(**AT_THE_MONEY | {"strike": strikes[::2].copy(), "price": 25.0})
    for strike in (strikes[::2], locked, locked.astype(">f8"), locked.tolist()):
        again = implied_greeks(**AT_THE_MONEY | {"strike": strike, "price": 25.0})
        np.testing.assert_array_equal(again.delta, plain.delta)


@pytest.mark.parametrize("strike", [np.ones((2, 2)), np.ones(3)])
def test_columns_that_do_not_fit_are_refused(strike):
    with pytest.raises(ValueError, match="one length"):
        implied_greeks(**AT_THE_MONEY | {"price": np.ones(2), "strike": strike})


def test_py_vollib_solves_what_is_left_to_it():
    """Uses options that both solve: none is known that only py_vollib solves."""
    n = 5
    strikes = np.linspace(90, 110, n)
    columns = [np.full(n, value) for value in (10.0, 100.0, 1.0, 1.0, 0.05, 0.01, 1.0)]
    columns[0], columns[2] = np.linspace(18, 8, n), strikes
    columns[0][4] = 200.0  # above the maximum: py_vollib's volatility does not reproduce the price
    black76 = np.array([0, 1, 0, 1, 0], np.uint8)
    result, status = np.full((7, n), np.nan), np.full(n, Status.NOT_CONVERGED, np.uint8)
    status[0] = Status.EXPIRED  # not open: stays
    solve_with_py_vollib(engine.kernel.model, columns, black76, result, status)
    assert status.tolist() == [Status.EXPIRED, 0, 0, 0, Status.NOT_CONVERGED]
    ours = implied_greeks(
        price=columns[0], underlying=100.0, strike=strikes, expiry_years=1.0, rate=0.05, dividend_yield=0.01,
        sign=1.0, black76=black76,
    )  # fmt: skip
    np.testing.assert_allclose(result[0, 1:4], ours.implied_volatility[1:4], rtol=1e-12)
    np.testing.assert_allclose(result[6, 1:4], ours.rho[1:4], rtol=1e-11)
    assert np.isnan(result[:, [0, 4]]).all()


def test_kernel_is_vectorised_and_warm():
    engine.warm()
    assert reference.vector_width() == 0
    if engine.kernel is reference:
        assert (engine.instruction_set(), engine.is_vectorised()) == ("scalar", False)
    else:
        assert engine.is_vectorised()
        assert engine.instruction_set() in ("SSE2", "AVX2", "AVX-512")


def test_without_numba_the_twin_answers():
    script = (
        "from signals.greeks.core import engine; engine.warm();"
        "answer = engine.implied_greeks(price=10.0, underlying=100.0, strike=100.0, expiry_years=1.0, rate=0.05,"
        " dividend_yield=0.0, sign=1.0, black76=False);"
        "print(engine.instruction_set(), answer.implied_volatility[0], answer.rho[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env={"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": "."},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    word, volatility, rho = run.stdout.split()
    answer = implied_greeks(**AT_THE_MONEY)
    assert word == "scalar"
    assert float(volatility) == pytest.approx(answer.implied_volatility[0], rel=1e-13)
    assert float(rho) == pytest.approx(answer.rho[0], rel=1e-13)
