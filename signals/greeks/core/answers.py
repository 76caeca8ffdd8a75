"""Answers with their receipts and reasons, as every entry point gives them to its callers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from signals.greeks.core.both_sides import quote_volatilities
from signals.greeks.core.carry import DIVIDEND_SOURCES, RATE_SOURCES, carry_columns
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import (
    FIRST_ORDER,
    FORWARD_PRICE_WORDS,
    FORWARD_SOURCES,
    FORWARD_WORDS,
    OVERRIDE_PRICE,
    PRICE_WORDS,
    VOLATILITY_WORDS,
    ForwardSource,
    GreeksParams,
    Model,
    QuoteIv,
)
from signals.greeks.core.evaluate import GreeksResult, OptionColumns, evaluate
from signals.greeks.core.exercise import value_bounds
from signals.greeks.core.forward import forward_columns
from signals.greeks.core.higher import higher_greeks
from signals.greeks.core.prices import QuoteColumns, fresh_quotes
from signals.greeks.core.reasons import STATUS_WORDS, reason
from signals.greeks.core.rederived import derivation_columns, rederived
from signals.greeks.core.snapshot import GroupMarket
from signals.greeks.core.status import Status


def _texts(words: Iterable[str | None]) -> np.ndarray:
    """Return words to be taken by code, -1 for the last. Plain strings: JSON writers are slow on enumerations."""
    return np.array([word and str(word) for word in words], object)


_STATUS = _texts(status.word for status in Status)
_TRY_AGAIN = {each.word for each in STATUS_WORDS if each.retryable}
_RETRYABLE = np.array([status.word in _TRY_AGAIN for status in Status])
_PRICE, _FORWARD, _FORWARD_PRICE = map(_texts, (PRICE_WORDS, FORWARD_WORDS, FORWARD_PRICE_WORDS))
_VOLATILITY, _RATE, _DIVIDENDS = map(_texts, (VOLATILITY_WORDS, RATE_SOURCES, DIVIDEND_SOURCES))
_MODEL = _texts((Model.BSM, Model.BLACK76))
_OVERRIDE = FORWARD_SOURCES.index(ForwardSource.OVERRIDE)
_OF_STRIKES = ("forward_bid", "forward_ask", "forward_residual", "forward_strikes", "forward_excluded")


def option_columns(
    contracts: ContractColumns,
    group: np.ndarray,
    markets: Sequence[GroupMarket],
    overrides: Mapping[str, np.ndarray],
    at: float | np.ndarray,
    params: GreeksParams,
) -> OptionColumns:
    """Return what is known of the options, with the market around each. Arguments: `answer_options`."""

    def shared(name: str) -> np.ndarray:
        column: np.ndarray = np.array([getattr(market, name) for market in markets], np.float64)[group]
        return column

    nothing = np.full(len(contracts.sign), np.nan)
    return OptionColumns(
        sign=contracts.sign,
        strike=contracts.strike,
        seconds_to_expiry=contracts.expires_at - at,
        days_to_expiry=shared("days_to_expiry"),
        black76=contracts.black76,
        dividend_yield=contracts.dividend_yield,
        quotes=fresh_quotes(contracts.quotes, at, params.max_quote_age_seconds),
        spot=shared("spot"),
        **forward_columns([market.forward for market in markets], group),
        volatility_index=shared("volatility_index"),
        override_price=overrides.get("price", nothing),
        override_underlying=overrides.get("underlying_price", nothing),
        override_volatility=overrides.get("volatility", nothing),
        override_rate=overrides.get("rate", nothing),
        override_dividend_yield=overrides.get("dividend_yield", nothing),
        override_expiry_years=overrides.get("expiry_years", nothing),
        american=contracts.american,
        carry=carry_columns([market.carry for market in markets], group),
    )


def answer_options(
    contracts: ContractColumns,
    group: np.ndarray,
    markets: Sequence[GroupMarket],
    overrides: Mapping[str, np.ndarray],
    refused: Mapping[int, str],
    at: float | np.ndarray,
    params: GreeksParams,
    twins: QuoteColumns | None = None,
) -> dict[str, list[Any]]:
    """Evaluate the options and return their `answer_columns`.

    `group` (intp) is each option's place among the markets, `at` their instant in seconds since 1970, or that of each.
    `overrides` are the caller's own values as columns by name (price, underlying_price, volatility, rate,
    dividend_yield, expiry_years), NaN where the market's or the calendar's value counts. `twins` are the quotes of the
    other leg at each option's strike and expiry, which `iv_from=otm_twin` needs. The columns QUOTE_IVS are there if
    `quote_iv` asks for them, and of the Greeks those that `greeks` names.
    """
    options = option_columns(contracts, group, markets, overrides, at, params)
    if overrides:
        forwards = [market.forward for market in markets]
        options = rederived(options, derivation_columns(forwards, group), params)
    fresh_twins = twins and fresh_quotes(twins, at, params.max_quote_age_seconds)
    result = evaluate(options, params, fresh_twins)
    columns = answer_columns(result, options, refused, at, params)
    columns |= {name: values.tolist() for name, values in higher_greeks(options, result, params.greeks).items()}
    if params.quote_iv is QuoteIv.BOTH_SIDES:
        columns |= {name: values.tolist() for name, values in quote_volatilities(options, result).items()}
    return columns


def answer_columns(
    result: GreeksResult,
    options: OptionColumns,
    refused: Mapping[int, str],
    as_of: float | np.ndarray,
    params: GreeksParams,
) -> dict[str, list[Any]]:
    """Return the answer for each option as columns by name, NaN for null. `as_of` is in seconds since 1970.

    `refused` holds the place of each item that is no option, and why.
    """
    for place in refused:
        result.status[place] = Status.BAD_INPUT
    status = result.status.tolist()
    reasons: list[str | None] = [None] * len(status)
    told = np.flatnonzero((result.status != Status.OK) | (result.vix_instead_of > 0))
    least, most = _value_bounds(result, options, told)
    for row, place in enumerate(told.tolist()):
        code = Status(status[place] or int(result.vix_instead_of[place]))
        reasons[place] = refused.get(place) or reason(
            code,
            price=float(result.price_used[place]),
            intrinsic=float(least[row]),
            maximum=float(most[row]),
            wanted=params.price,
            forward=params.forward,
            strikes=float(options.forward_strikes[place]),
            pairs=float(options.forward_strikes[place] + options.forward_excluded[place]),
        )
    by_strikes = {name: getattr(options, name) for name in _OF_STRIKES}
    overridden = result.forward_source == _OVERRIDE
    forward_price, forward_age = options.forward_price_source, options.forward_price_age
    if overridden.any():  # the market has no part in such a forward
        forward_price = np.where(overridden, OVERRIDE_PRICE, forward_price)
        forward_age = np.where(overridden, np.nan, forward_age)
        by_strikes = {name: np.where(overridden, np.nan, values) for name, values in by_strikes.items()}
    quoted = (result.price_source >= 0) & (result.price_source < len(PRICE_WORDS) - 2)
    age = np.where(quoted, as_of - result.price_time, np.nan)
    return {
        "status": _STATUS[result.status].tolist(),
        "reason": list(reasons),
        "retryable": _RETRYABLE[result.status].tolist(),
        "implied_volatility": result.implied_volatility.tolist(),
        **{name: getattr(result, name).tolist() for name in FIRST_ORDER if name in params.greeks},
        "theoretical_price": result.theoretical_price.tolist(),
        "price_used": result.price_used.tolist(),
        "price_source": _PRICE[result.price_source].tolist(),
        "price_age_seconds": age.tolist(),
        "underlying_used": result.underlying_used.tolist(),
        "forward": result.forward.tolist(),
        "forward_source": _FORWARD[result.forward_source].tolist(),
        "forward_price_source": _FORWARD_PRICE[forward_price].tolist(),
        "forward_price_age_seconds": forward_age.tolist(),
        "forward_bid": by_strikes["forward_bid"].tolist(),
        "forward_ask": by_strikes["forward_ask"].tolist(),
        "forward_residual": by_strikes["forward_residual"].tolist(),
        "forward_strikes": _counts(by_strikes["forward_strikes"]),
        "forward_excluded": _counts(by_strikes["forward_excluded"]),
        "expiry_years": result.expiry_years.tolist(),
        "rate": result.rate.tolist(),
        "rate_source": _RATE[result.rate_source].tolist(),
        "dividend_yield": result.dividend_yield.tolist(),
        "dividend_source": _DIVIDENDS[result.dividend_source].tolist(),
        "dividend_value": result.dividend_value.tolist(),
        "model": _MODEL[result.black76.astype(np.int8)].tolist(),
        "iv_source": _VOLATILITY[result.iv_source].tolist(),
    }


def _value_bounds(result: GreeksResult, options: OptionColumns, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    contract = {
        "underlying": result.underlying_used,
        "strike": options.strike,
        "expiry_years": result.expiry_years,
        "rate": result.rate,
        "dividend_yield": result.dividend_yield,
        "sign": options.sign,
        "black76": result.black76,
    }
    chosen = {name: values[rows] for name, values in contract.items()}
    return value_bounds(chosen, result.american[rows], result.dividends.take(rows))


def _counts(values: np.ndarray) -> list[int | None]:
    known = np.isfinite(values)
    if known.all():
        found: list[int | None] = values.astype(np.int64).tolist()
        return found
    return [None if value != value else int(value) for value in values.tolist()]
