"""What the catalogue says of indicators: formulas that give the values, sources that lead somewhere."""

import inspect
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from signals.indicators.catalogue_of_library import functions
from signals.indicators.core.catalogue import indicators
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.library import example_bars
from signals.indicators.core.spec import parse_spec
from signals.indicators.docstrings import _FORMULAS, texts_of

COLUMNS, TIME = example_bars(600)
OPEN, HIGH, LOW, CLOSE, VOLUME = (pd.Series(COLUMNS[name]) for name in ("open", "high", "low", "close", "volume"))


def follow(first: np.ndarray, step: Callable[[int, np.ndarray], float]) -> np.ndarray:
    found = first.copy()
    for bar in range(len(found)):
        if np.isnan(found[bar]):
            found[bar] = step(bar, found)
    return found


def begun(count: int) -> np.ndarray:
    return np.where(np.arange(len(CLOSE)) < count, CLOSE, np.nan)


def alma() -> np.ndarray:
    weights = np.exp(-((np.arange(10) - 0.85 * 9) ** 2) / (2 * (10 / 6) ** 2))[::-1]
    return CLOSE.rolling(10).apply(lambda window: (weights * window).sum() / weights.sum(), raw=True)


def cg() -> np.ndarray:
    return -CLOSE.rolling(10).apply(lambda window: (np.arange(10, 0, -1) * window).sum() / window.sum(), raw=True)


def directional(up: pd.Series, down: pd.Series) -> np.ndarray:
    moved = up.where((up > down) & (up > 0), 0.0).to_numpy()
    return follow(np.r_[0.0, np.full(len(moved) - 1, np.nan)], lambda n, past: past[n - 1] * (1 - 1 / 14) + moved[n])


def dx() -> np.ndarray:
    (made,) = compute_indicators({**COLUMNS, "time": TIME}, [parse_spec("adx", "x")])
    plus, minus = (next(each for name, each in made.items() if name.startswith(start)) for start in ("DMP", "DMN"))
    return 100 * np.abs(plus - minus) / (plus + minus)


def emv() -> np.ndarray:
    middle = (HIGH + LOW) / 2
    return (middle - middle.shift()) / ((VOLUME / 10000) / (HIGH - LOW))


def kama() -> np.ndarray:
    ratio = (CLOSE - CLOSE.shift(10)).abs() / (CLOSE - CLOSE.shift()).abs().rolling(10).sum()
    rate = ((ratio * (2 / 3 - 2 / 31) + 2 / 31) ** 2).to_numpy()
    return follow(begun(10), lambda n, past: rate[n] * CLOSE[n] + (1 - rate[n]) * past[n - 1])


def ssf() -> np.ndarray:
    x = np.pi * np.sqrt(2) / 10
    a, b = -np.exp(-2 * x), 2 * np.exp(-x) * np.cos(x)
    return follow(begun(2), lambda n, past: (1 - a - b) * CLOSE[n] + b * past[n - 1] + a * past[n - 2])


def supertrend() -> np.ndarray:
    (made,) = compute_indicators({**COLUMNS, "time": TIME}, [parse_spec("atr(length=7)", "x")])
    (atr,) = made.values()
    upper, lower = ((HIGH + LOW) / 2 + sign * 3 * atr for sign in (1, -1))
    direction, found = 1, []
    for n in range(len(CLOSE)):
        before = direction
        if n and CLOSE[n] > upper[n - 1]:
            direction = 1
        elif n and CLOSE[n] < lower[n - 1]:
            direction = -1
        if n and direction == before == 1:
            lower[n] = np.fmax(lower[n], lower[n - 1])
        if n and direction == before == -1:
            upper[n] = np.fmin(upper[n], upper[n - 1])
        found.append(lower[n] if direction == 1 else upper[n])
    return np.array(found)


WRITTEN: dict[str, Callable[[], np.ndarray]] = {
    "alma": alma,
    "cg": cg,
    "dx": dx,
    "emv": emv,
    "kama": kama,
    "md": lambda: CLOSE.rolling(30).apply(lambda window: np.abs(window - window.mean()).mean(), raw=True),
    "minus_dm": lambda: directional(LOW.shift() - LOW, HIGH - HIGH.shift()),
    "plus_dm": lambda: directional(HIGH - HIGH.shift(), LOW.shift() - LOW),
    "ssf": ssf,
    "supertrend": supertrend,
}


def test_every_formula_of_ours_is_checked() -> None:
    assert WRITTEN.keys() == _FORMULAS.keys()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_formula_of_ours_gives_the_values(name: str) -> None:
    (made,) = compute_indicators({**COLUMNS, "time": TIME}, [parse_spec(name, "x")])
    np.testing.assert_allclose(next(iter(made.values()))[-100:], np.asarray(WRITTEN[name]())[-100:], rtol=1e-7)


def test_each_has_a_formula_and_sources() -> None:
    for name, each in indicators().items():
        assert each.formula and each.sources, name
        assert "Default Input" not in each.formula, "the parameters have the real ones"
        for source in each.sources:
            assert source.count("(") == source.count(")"), source
            assert re.fullmatch(r"https?://\S+|.*\".+\".*", source), source


def test_the_catalogue_has_what_the_docstrings_say() -> None:
    for _, name, function in functions():
        listed = indicators()[name]
        told = texts_of(name, function)
        assert (listed.title, listed.formula, list(listed.sources)) == (*list(told.values())[:2], told["sources"])
        assert inspect.isroutine(function)
