"""Reads what the legs of portfolios need: contracts, quotes and lot sizes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.market import Market, load_unshared, market_to_json
from signals.greeks.newest_quote import NEWEST_QUOTE, QUOTE, window_of
from signals.greeks.selectors import OptionRows, load_options, load_twins
from signals.positions.core.legs import Legs
from signalsite.foundation.rows import binary_columns
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.keys import parse_key
from timeframes.core.sessions import expiry_moment

_OTHERS = f"""
SELECT extract(epoch FROM i.expires_at)::float8, {QUOTE}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
LEFT JOIN signals_instrument i ON i.key = wanted.key
{NEWEST_QUOTE.format(key="wanted.key")}
ORDER BY wanted.place
"""
_LOTS = """
SELECT i.lot_size::float8
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
LEFT JOIN signals_instrument i ON i.key = wanted.key
ORDER BY wanted.place
"""
_OTHER_TYPES = {"expires_at": float, **dict.fromkeys(QuoteColumns.__slots__, float)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionInputs:
    """`options` and `others` are places of legs; `rows` and `twins` are the options', `quotes` the others'.

    `refused`: portfolios that cannot be computed, and why. They have no legs here.
    """

    legs: Legs
    lot_size: np.ndarray  # the caller's, else the stored one, which is read for quantities in lots only
    options: np.ndarray
    rows: OptionRows
    twins: QuoteColumns | None
    others: np.ndarray
    other_ends: np.ndarray  # seconds since 1970; NaN for a spot
    quotes: QuoteColumns
    as_of: datetime
    asked: Mapping[str, Any]
    params: GreeksParams
    context: Mapping[str, Any]
    unshared: Market
    refused: Mapping[int, str] = field(default_factory=dict)

    def digest(self) -> str:
        found = hashlib.blake2b(self.rows.digest(self.twins).encode(), digest_size=16)
        for column in (self.lot_size, self.other_ends, *(getattr(self.quotes, name) for name in _QUOTE)):
            found.update(column.tobytes())
        if self.unshared:
            found.update(repr(sorted(market_to_json(self.unshared).items())).encode())
        return found.hexdigest()


_QUOTE = tuple(QuoteColumns.__slots__)


def load_positions(
    legs: Legs,
    as_of: datetime,
    asked: Mapping[str, Any],
    params: GreeksParams,
    context: Mapping[str, Any],
    refused: Mapping[int, str] | None = None,
) -> PositionInputs:
    """`asked`: the parameters as the caller gave them; `context`: the market that a job's chunks share, as JSON."""
    is_option = np.array(["_options@" in key for key in legs.keys], bool)
    options, others = np.flatnonzero(is_option), np.flatnonzero(~is_option)
    keys = [legs.keys[place] for place in options.tolist()]
    rows = load_options(keys, as_of, params.max_quote_age_seconds)
    other_keys = [legs.keys[place] for place in others.tolist()]
    ends, quotes = _load_others(other_keys, as_of, params.max_quote_age_seconds)
    return PositionInputs(
        legs=legs,
        lot_size=_lot_sizes(legs) if asked["quantity_in"] == "lots" else legs.lot_size,
        options=options,
        rows=rows,
        twins=load_twins(keys, as_of, params),
        others=others,
        other_ends=ends,
        quotes=quotes,
        as_of=as_of,
        asked=asked,
        params=params,
        context=context,
        unshared=load_unshared(context, zip(rows.underlying, rows.expiry, strict=True), as_of, params),
        refused=refused or {},
    )


def _load_others(keys: Sequence[str], as_of: datetime, max_age_seconds: float) -> tuple[np.ndarray, QuoteColumns]:
    found = binary_columns(_OTHERS, {"keys": list(keys), **window_of(as_of, max_age_seconds)}, _OTHER_TYPES)
    ends: np.ndarray = found.pop("expires_at")
    for place in np.flatnonzero(np.isnan(ends)).tolist():  # a spot, or a future that no table has
        key = parse_key(keys[place])
        if key.expiry and key.exchange in EXCHANGES:
            ends[place] = expiry_moment(key).timestamp()
    return ends, QuoteColumns(**found)


def _lot_sizes(legs: Legs) -> np.ndarray:
    wanted = np.flatnonzero(np.isnan(legs.lot_size))
    sizes = legs.lot_size.copy()
    if len(wanted):
        keys = [legs.keys[place] for place in wanted.tolist()]
        sizes[wanted] = binary_columns(_LOTS, {"keys": keys}, {"lot_size": float})["lot_size"]
    return sizes
