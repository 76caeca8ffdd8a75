"""Implied volatilities of bid, mid and ask."""

import numpy as np

from signals.greeks.core.conventions import QUOTE_IVS
from signals.greeks.core.evaluate import GreeksResult, OptionColumns
from signals.greeks.core.exercise import implied_greeks
from signals.greeks.core.prices import mid_price
from signals.greeks.core.status import Status


def quote_volatilities(options: OptionColumns, result: GreeksResult) -> dict[str, np.ndarray]:
    """Return the columns QUOTE_IVS, on the forward, T, rate and yield of each option's `result`.

    NaN where the market is not two-sided or is crossed, and where a price has no volatility: a bid below the intrinsic
    value has none, though its ask may.
    """
    quotes = options.quotes
    mid = mid_price(quotes.bid, quotes.ask)
    rows = np.flatnonzero(np.isfinite(mid))
    contract = {
        "underlying": result.underlying_used[rows],
        "strike": options.strike[rows],
        "expiry_years": result.expiry_years[rows],
        "rate": result.rate[rows],
        "dividend_yield": result.dividend_yield[rows],
        "sign": options.sign[rows],
        "black76": result.black76[rows],
    }
    found = {}
    for name, price in zip(QUOTE_IVS, (quotes.bid, mid, quotes.ask), strict=True):
        greeks = implied_greeks(price[rows], contract, result.american[rows], result.dividends.take(rows))
        found[name] = np.full(len(mid), np.nan)
        found[name][rows] = np.where(greeks.status == Status.OK, greeks.implied_volatility, np.nan)
    return found
