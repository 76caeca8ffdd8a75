"""Computes values of the past from stored quotes: the one evaluation of chains, at many instants in one call."""

from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from moneyness.core.chain_rows import What, chain_rows
from moneyness.core.level_grammar import read_level, with_level
from moneyness.history.values import EXPIRY_VALUES, FITTED, LEVEL_VALUES, Wanted
from moneyness.selectors import chain_params
from moneyness.stored_chains import load_stored
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation.rows import binary_rows
from timeframes.core.bars import Floats
from timeframes.core.grid import Instants, instant

DEEPEST = 1000  # as topics have it
NO_CHAIN = "no option has a price that is young enough"
NO_VALUE = "the chain does not give this value"
# Quotes first, then the bars that stand in for them: the next moment of any option of the underlying.
_NEXT = """
SELECT min(n.time) FROM signals_instrument i CROSS JOIN LATERAL (
    (SELECT time FROM timeframes_quote WHERE instrument_key = i.key AND time > %(after)s ORDER BY time LIMIT 1)
    UNION ALL
    (WITH RECURSIVE one(interval) AS (
        (SELECT h.interval FROM historical_data h WHERE h.instrument_key = i.key ORDER BY h.interval LIMIT 1)
        UNION ALL
        SELECT (SELECT h.interval FROM historical_data h
                WHERE h.instrument_key = i.key AND h.interval > one.interval ORDER BY h.interval LIMIT 1)
        FROM one WHERE one.interval IS NOT NULL
    )
    SELECT b.time FROM one CROSS JOIN LATERAL (
        SELECT time FROM historical_data
        WHERE instrument_key = i.key AND interval = one.interval AND time > %(after)s ORDER BY time LIMIT 1
    ) b ORDER BY b.time LIMIT 1)
) n
WHERE i.underlying_id = %(underlying)s AND i."right" <> ''
"""


def compute_values(wanted: Wanted, at: Instants) -> tuple[Floats, NDArray[np.object_]]:
    """Return the values at these instants, ascending, and the reason of each that is NaN."""
    value, reason = np.full(len(at), np.nan), np.full(len(at), NO_CHAIN, object)
    moments = [instant(each) for each in at.tolist()]
    conventions = GreeksParams()
    nearest = 1 if wanted.expiry is None and wanted.tenor is None else None
    stored = load_stored(
        [(wanted.underlying, each) for each in moments], conventions, nearest=nearest, until=wanted.expiry
    )
    if stored is None:
        return value, reason
    params = chain_params([wanted.underlying])[wanted.underlying]
    params = replace(params, fit=wanted.value in FITTED)
    if wanted.level:
        params = with_level(params, read_level(wanted.level, DEEPEST))
    if wanted.tenor is not None:
        params = replace(params, tenors=(wanted.tenor,))
    from moneyness.core.evaluate_chain import evaluate_chain, price_chains  # loads the kernels, which most never need

    priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, conventions)
    what = What.LEVELS if wanted.level else What.TERM if wanted.tenor is not None else What.SUMMARY
    underlying, columns = chain_rows(evaluate_chain(priced, params), what)
    kept = np.ones(len(underlying), np.bool_)
    if wanted.level:
        kept &= (columns["level"] == wanted.level) & (columns["side"] == wanted.side)
    if wanted.expiry is not None:
        kept &= columns["expiry"] == wanted.expiry.isoformat()
    name = "implied_volatility" if wanted.tenor is not None else _column(wanted)
    place = {moment: number for number, moment in enumerate(moments)}
    of = np.array([place[moment] for moment in stored.instants], np.intp)[underlying[kept]]
    value[of] = columns[name][kept]
    why = columns["reason"][kept]
    for row, text in zip(of.tolist(), why.tolist(), strict=True):
        reason[row] = None if np.isfinite(value[row]) else text or NO_VALUE
    return value, reason


def _column(wanted: Wanted) -> str:
    return LEVEL_VALUES[wanted.value] if wanted.level else EXPIRY_VALUES[wanted.value]


def next_quote(underlying: str, after: datetime) -> datetime | None:
    """Return the time of the next quote or bar of any of the underlying's options."""
    found: datetime | None = binary_rows(_NEXT, {"underlying": underlying, "after": after})[0][0]
    return found
