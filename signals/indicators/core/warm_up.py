"""How many bars of history an indicator needs, so that where its series begins has no effect above 1e-9."""

import math
from functools import lru_cache

import numpy as np

from signals.indicators.core.catalogue import indicators
from signals.indicators.core.compute import bar_series, kernel_of, outputs_of
from signals.indicators.core.run import NEVER, Run
from signals.indicators.core.spec import COLUMNS, Spec

MOST_WARM_UP = 20_000
"""Bars. What counts from the first bar has so many at most before a range."""


@lru_cache(maxsize=4096)
def warm_up(spec: Spec) -> int | None:
    """Return the bars before a bar that decide its value; None: all since the first.

    By kernels: the windows, and for each exponential average the bars after which (1 - alpha)^bars is below 1e-10. By
    the library: what the catalogue has for the defaults, in the ratio of the lengths.
    """
    kernel = kernel_of(spec)
    if kernel is None:
        return _by_library(spec)
    nothing = {name: np.empty((0, 1)) for name in COLUMNS}
    settled = max(each.settled for each in outputs_of(Run(0), bar_series(nothing), spec, kernel))
    return None if settled == NEVER else math.ceil(settled)


def _by_library(spec: Spec) -> int | None:
    found = indicators()[spec.name]
    if found.warm_up is None:
        return None
    lengths = [(value, found.arguments[name].default) for name, value in spec.params if type(value) is int]
    usual = sum(default for _, default in lengths if default) or 1
    given = sum(value for value, _ in lengths) or 1
    return math.ceil(found.warm_up * max(given / usual, 1.0)) + spec.offset


def period_days(spec: Spec) -> int:
    """Return from how many days before a bar on an average by period may count."""
    return {"D": 1, "W": 7, "M": 31}[dict(spec.params)["anchor"]] if spec.name == "vwap" else 0
