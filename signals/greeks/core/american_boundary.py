"""American options with one exercise boundary and a continuous yield: columns in and out of the compiled kernel."""

from typing import NamedTuple

import numpy as np
from numba import config

from signals.greeks.core.american_contracts import Contracts
from signals.greeks.core.kernel_american_tables import EASY, HARD, Scheme

if not config.DISABLE_JIT:  # type: ignore[attr-defined]
    from signals.greeks.core import kernel_american_iv as kernel
else:  # pragma: no cover - a test runs it in its own process
    from signals.greeks.core import american_reference as kernel  # type: ignore[no-redef]

HARDNESS = 0.3
"""max(|r|, |q|) sqrt(T) / sigma from which on an option gets more work: its boundary turns sharply near expiry."""
ALIKE = 0.25
"""Share by which r and q differ under which an option gets more work too: the boundary then has a kink at expiry."""
SMALLEST_RATE = 1e-10  # of rT where a rate of 0 is a limit


class _Puts(NamedTuple):
    """The kernel's inputs: each option as a put with K = 1 (kernel_american.py)."""

    lm: np.ndarray
    a: np.ndarray
    b: np.ndarray
    da: np.ndarray  # where rT moves
    db: np.ndarray


def _puts(contracts: Contracts) -> tuple[_Puts, np.ndarray, np.ndarray]:
    """Return them with the unit of value of each, and sqrt(T)."""
    s, k, years, r, q, w, on_future = contracts
    call = w > 0
    a, b = np.where(call, q, r) * years, np.where(call, r, q) * years
    da, db = np.where(call & ~on_future, 0.0, 1.0), np.where(call | on_future, 1.0, 0.0)
    lm = np.log(np.where(call, k, s)) - np.log(np.where(call, s, k))
    return _Puts(lm, np.maximum(a, SMALLEST_RATE), b, da, db), np.where(call, s, k), np.sqrt(years)


def _tables(scheme: Scheme) -> tuple[int | np.ndarray, ...]:
    return (
        scheme.cold,
        scheme.warm,
        scheme.node_root,
        scheme.share,
        scheme.weight,
        scheme.boundary,
        scheme.price_share,
        scheme.price_weight,
        scheme.price,
    )


def _hard(puts: _Puts, s: np.ndarray) -> np.ndarray:
    largest = np.maximum(np.abs(puts.a), np.abs(puts.b))
    alike = (np.abs(puts.a - puts.b) < ALIKE * largest) & (largest > 0.1 * HARDNESS * s)
    return np.asarray((largest > HARDNESS * s) | alike)


def model(volatility: np.ndarray, contracts: Contracts, most_work: bool) -> np.ndarray:
    puts, unit, root = _puts(contracts)
    s = volatility * root
    rows = np.empty((6, len(s)))
    hard = _hard(puts, s) | most_work
    for scheme, some in ((EASY, np.flatnonzero(~hard)), (HARD, np.flatnonzero(hard))):
        if len(some):
            part = np.empty((6, len(some)))
            kernel.american_model(s[some], *(column[some] for column in puts), *_tables(scheme), part)
            rows[:, some] = part
    return _greeks(volatility, rows, s, puts, contracts, unit, root)


def implied(price: np.ndarray, european: np.ndarray, contracts: Contracts) -> np.ndarray:
    """`european`: the volatility at which a European option would be worth the price, an upper bound; NaN for none."""
    puts, unit, root = _puts(contracts)
    highest = np.where(np.isfinite(european), european * root, np.inf)
    start = np.where(np.isfinite(european), highest, np.maximum(np.abs(puts.lm), 0.3 * root))
    highest *= 1.0 + 1e-9
    rows, good = np.full((7, len(price)), np.nan), np.zeros(len(price), np.bool_)
    hard = _hard(puts, start)
    for scheme in (EASY, HARD):
        some = np.flatnonzero(hard) if scheme is HARD else np.flatnonzero(~hard)
        if not len(some):
            continue
        part, converged = np.empty((7, len(some))), np.empty(len(some), np.uint8)
        target, lowest = price[some] / unit[some], np.zeros(len(some))
        inputs = (column[some] for column in puts)
        kernel.american_implied(target, start[some], lowest, highest[some], *inputs, *_tables(scheme), part, converged)
        rows[:, some], good[some] = part, converged > 0
        if scheme is EASY:  # what has turned out hard, or has not converged, is done again
            again = some[_hard(puts, rows[0])[some] | ~good[some]]
            hard[again] = True
            start[again] = np.where(good[again], np.minimum(rows[0][again] * 1.01, start[again]), start[again])
    found = _greeks(rows[0] / root, rows[1:], rows[0], puts, contracts, unit, root)
    found[:, ~good] = np.nan
    # Greeks are of a boundary that starts anew: a volatility has the same ones, whether it was implied or given. The
    # price stays that of the search, which tells whether it has arrived.
    found[2:, good] = model(rows[0][good] / root[good], contracts.take(np.flatnonzero(good)), False)[2:]
    return found


def _greeks(
    volatility: np.ndarray,
    rows: np.ndarray,
    s: np.ndarray,
    puts: _Puts,
    contracts: Contracts,
    unit: np.ndarray,
    root: np.ndarray,
) -> np.ndarray:
    """Return the rows of GreekColumns. Theta follows from the equation that the price satisfies until exercise."""
    f, fl, fll, fs, fr, due = rows
    spot, strike, years, *_, w, _ = contracts
    pays = w * (spot - strike)
    decay = 0.5 * s * s * (fll - fl) + (puts.a - puts.b) * fl - puts.a * f
    return np.stack(
        [
            volatility,
            np.where(due > 0, pays, np.maximum(f * unit, pays)),
            np.where(w > 0, f - fl, fl * strike / spot),
            (fll - fl) * unit / (spot * spot),
            np.where(due > 0, 0.0, -decay * unit / years / 365.0),
            fs * root * unit * 0.01,
            fr * years * unit * 0.01,
        ]
    )
