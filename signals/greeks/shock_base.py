"""Where shocks start: options in their market, with the volatility that was found."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from signals.greeks.core.carry import DividendSource
from signals.greeks.core.conventions import GreeksParams, Model
from signals.greeks.core.exercise_rows import american_rows
from signals.greeks.core.shocks import ShockBase
from signals.greeks.market import Market, cash_dividends
from signals.greeks.selectors import OptionRows, exchange_of


def shock_base(
    found: Mapping[str, Sequence[Any] | np.ndarray],
    rows: OptionRows,
    market: Market,
    as_of: datetime,
    params: GreeksParams,
    given: Collection[int],
) -> ShockBase:
    """Return the base. `found`: the columns of `compute_greeks` of these rows; `given`: places with a caller's T."""

    def known(name: str) -> np.ndarray:
        return np.array(found[name], np.float64)

    years, count = known("expiry_years"), len(rows.sign)
    own = np.isin(np.arange(count), list(given))
    discrete = np.array(found["dividend_source"]) == DividendSource.DISCRETE.value
    dividends = cash_dividends(rows, market).where(discrete)
    if own.any():  # T ends before the calendar's
        dividends = dividends.until(np.where(own, years, np.inf))
    return ShockBase(
        as_of=as_of,
        day_count=params.day_count,
        underlying=known("underlying_used"),
        volatility=known("implied_volatility"),
        expiry_years=years,
        given=own,
        rate=known("rate"),
        dividend_yield=known("dividend_yield"),
        price=known("theoretical_price"),
        strike=rows.strike,
        sign=rows.sign,
        black76=np.array(found["model"]) == Model.BLACK76.value,
        american=american_rows(rows.american, params, count),
        dividends=dividends,
        expires_at=rows.expires_at,
        expiry=rows.expiry,
        exchange=[exchange_of(underlying or "") for underlying in rows.underlying],
    )
