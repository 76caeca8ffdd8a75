"""Ordinary Python works, and gives what it gives outside."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from signals.functions.sandbox.process import FunctionProcess, Limits
from signals.functions.sandbox.starter import Zygote
from tests.integration.functions.conftest import DATA, LIMITS, called, plain
from tests.integration.functions.honest import EXPRESSIONS, HONEST, PARAMS


@pytest.mark.parametrize("name", HONEST)
def test_ordinary_python_works(zygote: Zygote, name: str) -> None:
    source, expected = HONEST[name]
    assert plain(called(zygote, source, params=PARAMS)) == approx(expected)


def approx(value: Any) -> Any:
    """Allow what another processor's linear algebra rounds otherwise, at any depth of a result."""
    if isinstance(value, dict):
        return {name: approx(each) for name, each in value.items()}
    if isinstance(value, list):
        return [approx(each) for each in value]
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value


@pytest.mark.parametrize("library", EXPRESSIONS)
def test_expressions_give_what_they_give_outside(zygote: Zygote, library: str) -> None:
    names: dict[str, Any] = {"np": np, "pd": pd}
    exec(EXPRESSIONS[library], names)
    expected = names["compute"]({name: column.copy() for name, column in DATA.items()}, {})
    outcome = called(zygote, EXPRESSIONS[library], limits=Limits(cpu_seconds=5.0, wall_seconds=20.0))
    assert outcome.error is None, outcome.reason
    got: Any = outcome.values["value"]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


LINES: dict[str, tuple[str, int, str]] = {
    "syntax": ("x = 1\ndef compute(data, params)\n    return 1\n", 2, "SyntaxError"),
    "a refused name": ("def compute(data, params):\n    x = 1\n    return x.__class__.__base__\n", 3, "Refused"),
    "an error at run time": (
        "def f(x):\n    return 1 / x\ndef compute(data, params):\n    return f(0)\n",
        2,
        "ZeroDivisionError",
    ),
    "a column that is not there": ("def compute(data, params):\n\n    return data['vix']\n", 3, "KeyError"),
    "a facade's gap": ("def compute(data, params):\n    return np.load('x')\n", 2, "AttributeError"),
    "an import": ("import math\nimport os\ndef compute(data, params):\n    return 1\n", 2, "ImportError"),
    "inside numpy": ("def compute(data, params):\n    return np.linalg.inv(np.zeros((2, 2)))\n", 2, "LinAlgError"),
    "inside pandas": ("def compute(data, params):\n    return pd.DataFrame(data)['none']\n", 2, "KeyError"),
}


@pytest.mark.parametrize("name", LINES)
def test_an_error_has_the_line_of_the_source(zygote: Zygote, name: str) -> None:
    source, line, kind = LINES[name]
    outcome = called(zygote, source)
    assert (outcome.error, outcome.faults[0].line) == (kind, line)
    assert f"line {line}" in str(outcome.reason)


ADVICE: dict[str, str] = {
    "import os": "os is not available in functions; functions reach no file",
    "import scipy.stats": "scipy is not available in functions; compute it with numpy and pandas",
    "import logging": "use print",
    "import nothing": "nothing is not available in functions; there are abc, bisect",
    "from numpy import load": "numpy.load is not available in functions; functions read no files",
    "pd.read_csv('x')": "the columns are in data",
    "pd.DataFrame().query('a > 1')": "select with df[df['close'] > 30]",
    "pd.DataFrame().to_csv('x')": "print(frame) shows it",
    "open('x')": "'open' is not available in functions; functions read no files",
    "vars()": "use x.__dict__",
    "eval('1')": "'eval' is not available in functions",
    "async def f(): pass": "async def is not available in functions; use def",
    "from enum import Enum; Enum('X', 'A B')": "class Side(Enum)",
}


@pytest.mark.parametrize("line", ADVICE)
def test_an_error_says_what_to_use_instead(zygote: Zygote, line: str) -> None:
    outcome = called(zygote, f"\n{line}\ndef compute(data, params):\n    return 1\n")
    assert ADVICE[line] in outcome.faults[0].message
    assert outcome.faults[0].line == 2


def test_every_refused_place_is_named(zygote: Zygote) -> None:
    source = "def compute(data, params):\n    a = x.__code__\n    b = y.gi__frame__\n    return z.__globals__\n"
    outcome = called(zygote, source)
    assert [each.line for each in outcome.faults] == [2, 4]


def test_calls_do_not_see_each_other(zygote: Zygote) -> None:
    source = """
N = [0]
def compute(data, params):
    N[0] += 1
    params["list"].append(1)
    data["close"][0] += 1
    return {"n": N[0], "p": len(params["list"]), "c": data["close"][0]}
"""
    with FunctionProcess(source, LIMITS, zygote) as process:
        for _ in range(3):
            assert plain(process.call(DATA, {"list": []})) == {"n": 1, "p": 1, "c": 2.0}
        for outcome in process.call_many([DATA] * 3, {"list": []}):
            assert plain(outcome) == {"n": 1, "p": 1, "c": 2.0}


def test_settings_last_for_one_call(zygote: Zygote) -> None:
    source = """
from decimal import Decimal, getcontext
import warnings
pd.options.mode.chained_assignment = None
np.set_printoptions(precision=3)
warnings.filterwarnings("error")
def compute(data, params):
    was = getcontext().prec, np.geterr()["over"] == "raise"
    getcontext().prec = 5
    np.seterr(all="raise")
    return [*was, len(str(Decimal(1) / 3))]
"""
    with FunctionProcess(source, LIMITS, zygote) as process:
        for outcome in process.call_many([DATA] * 3, {}):
            assert plain(outcome) == [28.0, 0.0, 7.0]


def test_columns_arrive_as_they_are(zygote: Zygote) -> None:
    data: dict[str, Any] = {"a": np.array([np.nan, -0.0, np.inf]), "b": np.empty(0), "c": np.arange(6)[::2]}
    source = "def compute(data, params):\n    return {**data, 'kinds': [float(x.dtype == np.float64) for x in data.values()]}\n"
    got = plain(called(zygote, source, data))
    assert got == {"a": [None, 0.0, None], "b": [], "c": [0.0, 2.0, 4.0], "kinds": [1.0, 1.0, 1.0]}


def test_what_a_function_prints_is_kept(zygote: Zygote) -> None:
    outcome = called(zygote, "def compute(data, params):\n    print('n', 1, sep='=')\n    return 1\n")
    assert outcome.printed == "n=1\n"


def test_a_large_batch_is_cut_into_requests(zygote: Zygote) -> None:
    data = [{"close": np.full(100_000, float(place))} for place in range(60)]  # 48 MB, in requests of 16
    with FunctionProcess("def compute(data, params):\n    return data['close'].mean()\n", LIMITS, zygote) as process:
        assert [plain(each) for each in process.call_many(data, {})] == [float(place) for place in range(60)]
