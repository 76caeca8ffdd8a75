"""Other entry points of the engine: single quantities, the compiled cache, the constants."""

import numpy as np
import pytest

from bench import fit_constants
from signals.greeks.core import engine, kernel_constants, reference
from signals.greeks.core import greeks_calculation_engine as single
from signals.greeks.core.engine import model_greeks

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
