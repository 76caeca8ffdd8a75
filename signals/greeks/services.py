"""Greeks of named instruments at one instant, each with its receipt or its reason."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from signals.greeks.core.answers import answer_columns
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.evaluate import OptionColumns, evaluate
from signals.greeks.core.forward import NO_FORWARD, forward_columns
from signals.greeks.market import GroupMarket, Market
from signals.greeks.selectors import OptionRows
from timeframes.core.keys import why_unknown

Overrides = Mapping[str, Mapping[int, float]]  # name -> place of the item -> value

_NAN = float("nan")
_UNKNOWN = GroupMarket(NO_FORWARD, _NAN, _NAN, _NAN)


def compute_greeks(
    keys: Sequence[str], rows: OptionRows, overrides: Overrides, as_of: datetime, params: GreeksParams, market: Market
) -> dict[str, list[Any]]:
    """Greeks of each key as columns by name, NaN for null. `rows`: what was loaded of the keys, in their order."""
    options = _option_columns(rows, overrides, as_of, market)
    frame = evaluate(options, params)
    no_option = np.flatnonzero(np.isnan(rows.sign)).tolist()
    refused = {place: _refusal(keys[place], rows.product[place]) for place in no_option}
    return answer_columns(frame, options, refused, as_of.timestamp(), params)


def _refusal(key: str, product: str | None) -> str:
    return why_unknown(key) if product is None else f"{key} is no option"


def _option_columns(rows: OptionRows, overrides: Overrides, as_of: datetime, market: Market) -> OptionColumns:
    shared = list(dict.fromkeys(zip(rows.underlying, rows.expiry, strict=True)))
    number = {group: at for at, group in enumerate(shared)}
    group = np.array([number[pair] for pair in zip(rows.underlying, rows.expiry, strict=True)], dtype=np.intp)
    markets = [market.get((pair[0], pair[1]), _UNKNOWN) if pair[0] and pair[1] else _UNKNOWN for pair in shared]

    def of_group(name: str) -> np.ndarray:
        return np.array([getattr(each, name) for each in markets], dtype=np.float64)[group]

    def overridden(name: str) -> np.ndarray:
        column = np.full(len(group), np.nan)
        for place, value in overrides.get(name, {}).items():
            column[place] = value
        return column

    return OptionColumns(
        sign=rows.sign,
        strike=rows.strike,
        seconds_to_expiry=rows.expires_at - as_of.timestamp(),
        days_to_expiry=of_group("days_to_expiry"),
        black76=rows.black76,
        dividend_yield=rows.dividend_yield,
        quotes=rows.quotes,
        spot=of_group("spot"),
        **forward_columns([each.forward for each in markets], group),
        volatility_index=of_group("volatility_index"),
        override_price=overridden("price"),
        override_underlying=overridden("underlying_price"),
        override_volatility=overridden("volatility"),
        override_rate=overridden("rate"),
        override_dividend_yield=overridden("dividend_yield"),
    )
