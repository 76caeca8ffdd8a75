"""Greeks of named instruments at one instant, each with its receipt or its reason."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from signals.greeks.core.answers import answer_options
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import UNKNOWN_MARKET
from signals.greeks.market import Market
from signals.greeks.selectors import OptionRows
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key

Overrides = Mapping[str, Mapping[int, float]]  # name -> place of the item -> value


def compute_greeks(
    keys: Sequence[str],
    rows: OptionRows,
    overrides: Overrides,
    as_of: datetime,
    params: GreeksParams,
    market: Market,
    twins: QuoteColumns | None = None,
) -> dict[str, list[Any]]:
    """Return the Greeks of each key as columns by name, NaN for null.

    `rows` holds the contracts in the same order, `twins` the quotes of their other legs if the parameters ask for them.
    """
    pairs = list(zip(rows.underlying, rows.expiry, strict=True))
    number = {group: at for at, group in enumerate(dict.fromkeys(pairs))}
    group = np.array([number[pair] for pair in pairs], np.intp)
    markets = [
        market.get((key, expiry), UNKNOWN_MARKET) if key and expiry else UNKNOWN_MARKET for key, expiry in number
    ]
    no_option = np.flatnonzero(np.isnan(rows.sign)).tolist()
    refused = {place: _refusal(keys[place]) for place in no_option}
    given = {name: _column(values, len(keys)) for name, values in overrides.items()}
    no_expiry = np.isnan(rows.expires_at) & np.isnan(given.get("expiry_years", np.nan)) & ~np.isnan(rows.sign)
    refused |= {place: _NO_EXPIRY.format(keys[place].partition("@")[0]) for place in np.flatnonzero(no_expiry).tolist()}
    columns = answer_options(rows, group, markets, given, refused, as_of.timestamp(), params, twins)
    for place in rows.unlisted:
        if help_ := _UNLISTED.get(columns["status"][place]):
            columns["reason"][place] += help_
    return columns


def _column(values: Mapping[int, float], length: int) -> np.ndarray:
    column = np.full(length, np.nan)
    column[list(values)] = list(values.values())
    return column


def _refusal(key: str) -> str:
    try:
        parse_key(key)
    except InvalidInput as error:
        return str(error)
    return f"{key} is no option"


_NO_EXPIRY = "no calendar of exchange {!r} is here, so the moment of expiry is unknown: give expiry_years"
_UNLISTED = {
    "no_price": "; no file or feed has listed this contract: give price or volatility",
    "no_underlying": "; no file or feed has listed this contract: give underlying_price",
}
