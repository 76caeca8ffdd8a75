"""Greeks of named instruments at one instant, each with its receipt or its reason."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from signals.greeks.core.conventions import FORWARD_WORDS, PRICE_WORDS, VOLATILITY_WORDS, GreeksParams, Model
from signals.greeks.core.evaluate import GreeksFrame, OptionColumns, evaluate
from signals.greeks.core.reasons import RETRYABLE, reason
from signals.greeks.core.status import Status
from signals.greeks.market import GroupMarket, Market
from signals.greeks.selectors import OptionRows
from timeframes.core.keys import InvalidInstrumentKey, parse_key

Overrides = Mapping[str, Mapping[int, float]]  # name -> place of the item -> value

_NAN = float("nan")
_UNKNOWN = GroupMarket(_NAN, -1, _NAN, _NAN, _NAN)


def compute_greeks(
    keys: Sequence[str], rows: OptionRows, overrides: Overrides, as_of: datetime, params: GreeksParams, market: Market
) -> dict[str, list[Any]]:
    """Greeks of each key as columns by name, NaN for null. `rows`: what was loaded of the keys, in their order."""
    options = _option_columns(rows, overrides, as_of, market)
    frame = evaluate(options, params)
    no_option = np.flatnonzero(np.isnan(rows.sign)).tolist()
    refused = {place: _refusal(keys[place], rows.product[place]) for place in no_option}
    return _answers(frame, options, refused, as_of, params)


def _refusal(key: str, product: str | None) -> str:
    if product is not None:
        return f"{key} is no option"
    try:
        parse_key(key)
    except InvalidInstrumentKey as error:
        return str(error)
    return f"no instrument {key} is known"


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
        forward=of_group("forward"),
        forward_source=of_group("forward_source").astype(np.int8),
        volatility_index=of_group("volatility_index"),
        override_price=overridden("price"),
        override_underlying=overridden("underlying_price"),
        override_volatility=overridden("volatility"),
        override_rate=overridden("rate"),
        override_dividend_yield=overridden("dividend_yield"),
    )


def _answers(
    frame: GreeksFrame, options: OptionColumns, refused: Mapping[int, str], as_of: datetime, params: GreeksParams
) -> dict[str, list[Any]]:
    for place in refused:
        frame.status[place] = Status.BAD_INPUT
    status = [Status(code) for code in frame.status.tolist()]
    reasons: list[str | None] = [None] * len(status)
    with np.errstate(over="ignore", invalid="ignore"):
        discount = np.exp(-frame.rate * np.maximum(frame.expiry_years, 0.0))
    for place in np.flatnonzero((frame.status != Status.OK) | (frame.vix_instead_of > 0)).tolist():
        forward, strike = frame.forward[place] * discount[place], options.strike[place] * discount[place]
        code = status[place] if status[place] != Status.OK else Status(int(frame.vix_instead_of[place]))
        reasons[place] = refused.get(place) or reason(
            code,
            price=float(frame.price_used[place]),
            intrinsic=float(max(options.sign[place] * (forward - strike), 0.0)),
            maximum=float(forward if options.sign[place] > 0 else strike),
            wanted=params.price,
            forward=params.forward,
        )
    quoted = (frame.price_source >= 0) & (frame.price_source < len(PRICE_WORDS) - 2)
    age = np.where(quoted, as_of.timestamp() - options.quotes.time, np.nan)
    return {
        "status": [code.word for code in status],
        "reason": list(reasons),
        "retryable": [code in RETRYABLE for code in status],
        "implied_volatility": frame.implied_volatility.tolist(),
        "delta": frame.delta.tolist(),
        "gamma": frame.gamma.tolist(),
        "theta": frame.theta.tolist(),
        "vega": frame.vega.tolist(),
        "rho": frame.rho.tolist(),
        "theoretical_price": frame.theoretical_price.tolist(),
        "price_used": frame.price_used.tolist(),
        "price_source": [PRICE_WORDS[code] for code in frame.price_source.tolist()],
        "price_age_seconds": age.tolist(),
        "underlying_used": frame.underlying_used.tolist(),
        "forward": frame.forward.tolist(),
        "forward_source": [FORWARD_WORDS[code] for code in frame.forward_source.tolist()],
        "expiry_years": frame.expiry_years.tolist(),
        "rate": frame.rate.tolist(),
        "dividend_yield": frame.dividend_yield.tolist(),
        "model": [Model.BLACK76 if flag else Model.BSM for flag in frame.black76.tolist()],
        "iv_source": [VOLATILITY_WORDS[code] for code in frame.iv_source.tolist()],
    }
