"""Fills joined columns from columns that are in memory. Pure: the doors of history and of real time both come here.

Where a bar has no value of a joined column, the column has NaN.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from signals.functions.core.joins import Join, Joins, Kind
from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.spec import Spec
from signals.indicators.core.warm_up import MOST_WARM_UP, warm_up

Columns = Mapping[str, np.ndarray]


def joined_columns(
    joins: Joins, bars: Mapping[str, Any], *, greeks: Columns, others: Mapping[str, tuple[np.ndarray, Columns]]
) -> dict[str, np.ndarray]:
    """Return one instrument's joined columns by name, each as long as its bars.

    `bars`: open, high, low, close, volume, `time` in microseconds since 1970 and `session` in days since 1970, as
    `compute_indicators` takes them. Give as many bars before those that count as `warm_up_of` says: earlier values of
    indicators are missing. `greeks`: columns at these bars, by name; one that is not there is NaN. `others`: of other
    instruments, by key, the times of their bars, ascending, and their columns.
    """
    time = np.asarray(bars["time"])
    found = indicator_columns(joins, bars)
    for name, join in joins:
        if join.kind is Kind.GREEKS:
            found[name] = greeks[join.column] if join.column in greeks else np.full(len(time), np.nan)
        elif join.kind is Kind.BARS:
            times, columns = others.get(join.key, (time[:0], {}))
            found[name] = aligned(time, times, columns[join.column] if len(times) else np.empty(0))
    return {name: found[name] for name, _ in joins}


def indicator_columns(joins: Joins, bars: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the joined indicators by the column's name, of the shape of the bars: one instrument's, or many's."""
    specs = specs_of(joins)
    if not specs:
        return {}
    made = dict(zip(specs, compute_indicators(bars, specs), strict=True))
    return {name: made[join.spec][join.column] for name, join in joins if join.spec is not None}


def specs_of(joins: Joins) -> list[Spec]:
    """Return the indicators that join, each once."""
    return list(dict.fromkeys(join.spec for _, join in joins if join.spec is not None))


def warm_up_of(joins: Joins) -> int:
    """Return how many bars before the first that counts the joined indicators need."""
    lengths = [warm_up(spec) for spec in specs_of(joins)]
    return max((MOST_WARM_UP if each is None else min(each, MOST_WARM_UP) for each in lengths), default=0)


def aligned(moments: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the value at each of these moments, NaN where there is none. `times` are ascending."""
    if not len(times):
        return np.full(len(moments), np.nan)
    place = np.minimum(np.searchsorted(times, moments), len(times) - 1)
    return np.where(times[place] == moments, values[place], np.nan)


def why_empty(join: Join, reason: str | None = None) -> str:
    """Return why a whole column has no value. `reason`: what the Greeks say."""
    if join.kind is Kind.GREEKS:
        return reason or "there are no Greeks of it"
    if join.kind is Kind.BARS:
        return f"{join.key} has no bar of these times"
    return f"{join.spec} has no value: too few bars, or nothing to divide by"
