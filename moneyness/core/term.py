"""Volatilities of constant maturity."""

from collections.abc import Sequence

import numpy as np

from moneyness.core.evaluation import TermColumns
from moneyness.core.priced import Floats, PricedChains

DAYS_A_YEAR = 365.0


def constant_maturities(chains: PricedChains, volatility: Floats, tenors: Sequence[float]) -> TermColumns:
    """Return each underlying's volatility at each tenor (days): linear in total variance between two expiries.

    w(T) = w1 + (w2 - w1) (T - T1) / (T2 - T1), w = volatility^2 T, and the answer is sqrt(w / T). `volatility` is that
    at the money, by group. Groups are ordered by underlying and date. Nothing is extrapolated.
    """
    expiries = chains.expiries
    count = len(chains.underlyings.key)
    rows = np.flatnonzero((volatility > 0) & (expiries.years > 0))
    of, years = expiries.underlying[rows], expiries.years[rows]
    variance = np.square(volatility[rows]) * years
    begins = np.searchsorted(of, np.arange(count + 1))
    shape = (count, len(tenors))
    found, earlier, later = np.full(shape, np.nan), np.full(shape, -1, np.intp), np.full(shape, -1, np.intp)
    for number, tenor in enumerate(tenors):
        wanted = tenor / DAYS_A_YEAR
        at_or_before = begins[:-1] + np.bincount(of[years <= wanted], minlength=count) - 1
        here = np.flatnonzero(at_or_before >= begins[:-1])
        first = at_or_before[here]
        exact = years[first] == wanted
        second = np.where(exact, first, first + 1)
        inside = second < begins[1:][here]
        here, first, second = here[inside], first[inside], second[inside]
        width = years[second] - years[first]
        share = np.where(width > 0, (wanted - years[first]) / np.where(width > 0, width, 1.0), 0.0)
        total = variance[first] + share * (variance[second] - variance[first])
        found[here, number] = np.sqrt(total / wanted)
        earlier[here, number], later[here, number] = rows[first], rows[second]
    return TermColumns(
        underlying=np.repeat(np.arange(count), len(tenors)),
        days=np.tile(np.array(tenors, np.float64), count),
        volatility=found.reshape(-1),
        expiries=earlier.reshape(-1),
        later=later.reshape(-1),
    )
