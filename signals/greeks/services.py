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
from timeframes.core.keys import why_unknown

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
    refused = {place: _refusal(keys[place], rows.product[place]) for place in no_option}
    given = {name: _column(values, len(keys)) for name, values in overrides.items()}
    return answer_options(rows, group, markets, given, refused, as_of.timestamp(), params, twins)


def _column(values: Mapping[int, float], length: int) -> np.ndarray:
    column = np.full(length, np.nan)
    column[list(values)] = list(values.values())
    return column


def _refusal(key: str, product: str | None) -> str:
    return why_unknown(key) if product is None else f"{key} is no option"
