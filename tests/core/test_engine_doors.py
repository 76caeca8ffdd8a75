"""Other entry points of the engine: bars, single quantities, the compiled cache, the constants."""

import numpy as np
import pytest

from bench import fit_constants
from signals.greeks.core import engine, kernel_constants, reference
from signals.greeks.core import greeks_calculation_engine as single
from signals.greeks.core.bar_greeks import Ohlc, greeks_at_ohlc
from signals.greeks.core.engine import implied_greeks, model_greeks
from signals.greeks.core.status import Status

CONTRACT = {
    "underlying": 100.0,
    "strike": np.array([95.0, 105.0]),
    "expiry_years": 0.5,
    "rate": 0.05,
    "dividend_yield": 0.01,
    "sign": np.array([1.0, -1.0]),
    "black76": False,
}


def test_single_quantities_are_the_engine():
    answer = model_greeks(volatility=0.2, **CONTRACT)
    np.testing.assert_allclose(single.calculate_iv(price=answer.price, **CONTRACT), 0.2, rtol=1e-12)
    for name in ("delta", "gamma", "theta", "vega", "rho"):
        function = getattr(single, f"calculate_{name}")
        np.testing.assert_array_equal(function(volatility=0.2, **CONTRACT), getattr(answer, name))


def test_greeks_at_the_four_prices_of_bars():
    years = 30 / 365
    option = Ohlc(np.array([5.0, 6.0]), np.array([7.0, 8.0]), np.array([4.0, np.nan]), np.array([6.0, 6.5]))
    underlying = Ohlc(*(np.array(pair) for pair in ((99.0, 101.0), (102.0, 98.0), (98.0, 102.0), (101.0, 100.0))))
    strike, sign = np.array([98.0, 102.0]), np.array([1.0, -1.0])
    bars = greeks_at_ohlc(
        option=option,
        underlying=underlying,
        expiry_years=Ohlc(*(np.full(2, years - k * 1e-6) for k in range(4))),
        strike=strike,
        rate=0.05,
        dividend_yield=0.0,
        sign=sign,
        black76=False,
    )
    assert bars.low.status.tolist() == [Status.OK, Status.BAD_INPUT]
    for k, name in enumerate(("open", "high", "low", "close")):
        alone = implied_greeks(
            price=getattr(option, name),
            underlying=getattr(underlying, name),
            strike=strike,
            expiry_years=years - k * 1e-6,
            rate=0.05,
            dividend_yield=0.0,
            sign=sign,
            black76=False,
        )
        for column in ("implied_volatility", "delta", "gamma", "theta", "vega", "rho", "status"):
            np.testing.assert_allclose(getattr(getattr(bars, name), column), getattr(alone, column), rtol=1e-12)


@pytest.mark.skipif(engine.kernel is reference, reason="numba is switched off: there is no compiled cache")
def test_cache_key_follows_every_kernel_file():
    from signals.greeks.core import kernel, kernel_compile

    names = {path.name for path in kernel_compile.KERNEL_SOURCES}
    assert {"kernel.py", "kernel_constants.py", "kernel_greeks.py", "kernel_iv.py", "kernel_math.py"} <= names
    (overload,) = kernel.implied.overloads.values()
    key = kernel.implied._cache._index_key(overload.signature, overload.library.codegen)
    assert key[-1] == kernel_compile.SOURCES_DIGEST


def test_constants_are_what_the_fits_give():
    fit_constants.mp.mp.dps = 40
    assert tuple(fit_constants.fit_exp()) == kernel_constants.EXP
    assert tuple(fit_constants.fit_log()) == kernel_constants.LOG
    assert tuple(fit_constants.fit_erfcx()) == kernel_constants.ERFCX
    above, below, error = fit_constants.fit_bachelier_inverse()
    np.testing.assert_allclose(above, kernel_constants.BACHELIER_ABOVE, rtol=1e-8)
    np.testing.assert_allclose(below, kernel_constants.BACHELIER_BELOW, rtol=1e-8)
    assert error < 1e-4
