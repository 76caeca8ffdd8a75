"""The compiled American methods beside their numpy twins."""

import os
import subprocess
import sys

import numpy as np

from signals.greeks.core import american_boundary, american_grid_reference, american_reference
from signals.greeks.core.american import model_greeks
from signals.greeks.core.kernel_american_tables import EASY, HARD
from tests.core.american_options import contract, wide


def test_the_compiled_code_and_its_numpy_twin_agree() -> None:
    options = wide(64, 11)
    call = options["sign"] > 0
    years = options["days"] / 365
    a = np.maximum(np.where(call, options["dividend_yield"], np.abs(options["rate"])) * years, 1e-10)
    b = np.where(call, options["rate"], options["dividend_yield"]) * years
    lm = np.log(np.where(call, 100.0 / options["underlying"], options["underlying"] / 100.0))
    inputs = (options["volatility"] * np.sqrt(years), lm, a, b, np.where(call, 0.0, 1.0), np.where(call, 1.0, 0.0))
    for scheme in (EASY, HARD):
        tables = american_boundary._tables(scheme)
        compiled, twin = np.empty((6, 64)), np.empty((6, 64))
        american_boundary.kernel.american_model(*inputs, *tables, compiled)
        with np.errstate(all="ignore"):
            american_reference.american_model(*inputs, *tables, twin)
        np.testing.assert_allclose(compiled, twin, rtol=2e-6, atol=2e-9)
        target = np.maximum(twin[0], 1e-9)
        rows = [np.empty((7, 64)), np.empty((7, 64))]
        done = [np.empty(64, np.uint8), np.empty(64, np.uint8)]
        bracket = (target, 1.1 * inputs[0], np.zeros(64), np.full(64, np.inf))
        american_boundary.kernel.american_implied(*bracket, *inputs[1:], *tables, rows[0], done[0])
        with np.errstate(all="ignore"):
            american_reference.american_implied(*bracket, *inputs[1:], *tables, rows[1], done[1])
        sure = (twin[3] > 1e-3) & (twin[5] == 0)
        assert sure.sum() > 20 and done[0][sure].all() and done[1][sure].all()
        np.testing.assert_allclose(rows[0][:, sure], rows[1][:, sure], rtol=1e-5, atol=1e-7)


def test_the_compiled_grid_and_its_numpy_twin_agree() -> None:
    s, lm, a, b, sign = (np.array(each) for each in ([0.2, 0.3], [0.02, -0.1], [0.03, 0.05], [0.0, 0.0], [1.0, -1.0]))
    offsets, when, amount = np.array([0, 2, 3]), np.array([0.3, 0.8, 0.5]), np.array([0.02, 0.02, 0.01])
    from signals.greeks.core import kernel_american_grid

    compiled, twin = np.empty((7, 2)), np.empty((7, 2))
    for function, result in (
        (kernel_american_grid.american_grid, compiled),
        (american_grid_reference.american_grid, twin),
    ):
        function(s, lm, a, b, sign, offsets, when, amount, s, 101, 40, result)
    np.testing.assert_allclose(compiled, twin, rtol=1e-6, atol=1e-8)


def test_without_numba_the_numbers_are_the_same() -> None:
    options = wide(20, 12)
    terms = contract(options)
    expected = model_greeks(volatility=options["volatility"], **terms)
    program = (
        "import numpy as np; from tests.core.test_american import contract, wide;"
        "from signals.greeks.core.american import model_greeks; o = wide(20, 12);"
        "print(model_greeks(volatility=o['volatility'], **contract(o)).price.tolist())"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    np.testing.assert_allclose(np.array(eval(answer.stdout)), expected.price, rtol=1e-6, atol=1e-8)
