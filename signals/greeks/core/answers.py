"""Answers with their receipts and reasons: what a priced frame says to a caller, whichever door it goes out by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signals.greeks.core.conventions import (
    FORWARD_SOURCES,
    FORWARD_WORDS,
    PRICE_WORDS,
    VOLATILITY_WORDS,
    ForwardSource,
    GreeksParams,
    Model,
)
from signals.greeks.core.evaluate import GreeksResult, OptionColumns, evaluate
from signals.greeks.core.forward import forward_columns
from signals.greeks.core.prices import QuoteColumns, fresh_quotes
from signals.greeks.core.reasons import STATUS_WORDS, reason
from signals.greeks.core.snapshot import GroupMarket
from signals.greeks.core.status import Status

# By code, -1 last. Plain text: writers of JSON take five times as long over a member of an enumeration.
_STATUS = tuple(status.word for status in Status)
_TRY_AGAIN = {each.word for each in STATUS_WORDS if each.retryable}
_RETRYABLE = tuple(status.word in _TRY_AGAIN for status in Status)
_PRICE = tuple(word and str(word) for word in PRICE_WORDS)
_FORWARD = tuple(word and str(word) for word in FORWARD_WORDS)
_VOLATILITY = tuple(word and str(word) for word in VOLATILITY_WORDS)
_OVERRIDE = FORWARD_SOURCES.index(ForwardSource.OVERRIDE)
_OF_STRIKES = ("forward_bid", "forward_ask", "forward_residual", "forward_strikes", "forward_excluded")
_MODEL = (str(Model.BSM), str(Model.BLACK76))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOptions:
    """The options that are asked about, in the caller's order: float64 unless said otherwise, NaN for unknown."""

    group: np.ndarray  # intp: its place among the markets
    sign: np.ndarray  # +1 call, -1 put; NaN for what is no option
    strike: np.ndarray
    expires_at: np.ndarray  # seconds since 1970
    black76: np.ndarray  # bool: the underlying's own pricing model
    dividend_yield: np.ndarray  # the underlying's own
    quotes: QuoteColumns


def answer_options(
    asked: AskedOptions,
    markets: Sequence[GroupMarket],
    overrides: Mapping[str, np.ndarray],
    refused: Mapping[int, str],
    at: float,
    params: GreeksParams,
) -> dict[str, list[Any]]:
    """The answers of `answer_columns`.

    `overrides`: what a request knows better than the market, as columns by name (price, underlying_price, volatility,
    rate, dividend_yield), NaN where the market counts.
    """

    def shared(name: str) -> np.ndarray:
        column: np.ndarray = np.array([getattr(market, name) for market in markets], np.float64)[asked.group]
        return column

    unsaid = np.full(len(asked.sign), np.nan)
    options = OptionColumns(
        sign=asked.sign,
        strike=asked.strike,
        seconds_to_expiry=asked.expires_at - at,
        days_to_expiry=shared("days_to_expiry"),
        black76=asked.black76,
        dividend_yield=asked.dividend_yield,
        quotes=fresh_quotes(asked.quotes, at, params.max_quote_age_seconds),
        spot=shared("spot"),
        **forward_columns([market.forward for market in markets], asked.group),
        volatility_index=shared("volatility_index"),
        override_price=overrides.get("price", unsaid),
        override_underlying=overrides.get("underlying_price", unsaid),
        override_volatility=overrides.get("volatility", unsaid),
        override_rate=overrides.get("rate", unsaid),
        override_dividend_yield=overrides.get("dividend_yield", unsaid),
    )
    return answer_columns(evaluate(options, params), options, refused, at, params)


def answer_columns(
    frame: GreeksResult, options: OptionColumns, refused: Mapping[int, str], as_of: float, params: GreeksParams
) -> dict[str, list[Any]]:
    """What a caller is told of each option, as columns by name; NaN for null. `as_of` in seconds since 1970.

    `refused`: place of an item that is no option, and why.
    """
    for place in refused:
        frame.status[place] = Status.BAD_INPUT
    status = frame.status.tolist()
    reasons: list[str | None] = [None] * len(status)
    with np.errstate(over="ignore", invalid="ignore"):
        discount = np.exp(-frame.rate * np.maximum(frame.expiry_years, 0.0))
    for place in np.flatnonzero((frame.status != Status.OK) | (frame.vix_instead_of > 0)).tolist():
        forward, strike = frame.forward[place] * discount[place], options.strike[place] * discount[place]
        code = Status(status[place] or int(frame.vix_instead_of[place]))
        reasons[place] = refused.get(place) or reason(
            code,
            price=float(frame.price_used[place]),
            intrinsic=float(max(options.sign[place] * (forward - strike), 0.0)),
            maximum=float(forward if options.sign[place] > 0 else strike),
            wanted=params.price,
            forward=params.forward,
            strikes=float(options.forward_strikes[place]),
            pairs=float(options.forward_strikes[place] + options.forward_excluded[place]),
        )
    told = {name: getattr(options, name) for name in _OF_STRIKES}
    overridden = frame.forward_source == _OVERRIDE
    if overridden.any():  # what the strikes say has no part in it
        told = {name: np.where(overridden, np.nan, values) for name, values in told.items()}
    quoted = (frame.price_source >= 0) & (frame.price_source < len(PRICE_WORDS) - 2)
    age = np.where(quoted, as_of - options.quotes.time, np.nan)
    return {
        "status": [_STATUS[code] for code in status],
        "reason": list(reasons),
        "retryable": [_RETRYABLE[code] for code in status],
        "implied_volatility": frame.implied_volatility.tolist(),
        "delta": frame.delta.tolist(),
        "gamma": frame.gamma.tolist(),
        "theta": frame.theta.tolist(),
        "vega": frame.vega.tolist(),
        "rho": frame.rho.tolist(),
        "theoretical_price": frame.theoretical_price.tolist(),
        "price_used": frame.price_used.tolist(),
        "price_source": [_PRICE[code] for code in frame.price_source.tolist()],
        "price_age_seconds": age.tolist(),
        "underlying_used": frame.underlying_used.tolist(),
        "forward": frame.forward.tolist(),
        "forward_source": [_FORWARD[code] for code in frame.forward_source.tolist()],
        "forward_bid": told["forward_bid"].tolist(),
        "forward_ask": told["forward_ask"].tolist(),
        "forward_residual": told["forward_residual"].tolist(),
        "forward_strikes": _counts(told["forward_strikes"]),
        "forward_excluded": _counts(told["forward_excluded"]),
        "expiry_years": frame.expiry_years.tolist(),
        "rate": frame.rate.tolist(),
        "dividend_yield": frame.dividend_yield.tolist(),
        "model": [_MODEL[flag] for flag in frame.black76.tolist()],
        "iv_source": [_VOLATILITY[code] for code in frame.iv_source.tolist()],
    }


def _counts(values: np.ndarray) -> list[int | None]:
    known = np.isfinite(values)
    if known.all():
        found: list[int | None] = values.astype(np.int64).tolist()
        return found
    return [None if value != value else int(value) for value in values.tolist()]
