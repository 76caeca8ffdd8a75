"""Chooses which price of a quote counts."""

from dataclasses import dataclass

import numpy as np

from signals.greeks.core.conventions import PRICE_SOURCES, PriceSource


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteColumns:
    """Quotes, one element per instrument; float64 of equal length, NaN where the source gave nothing."""

    bid: np.ndarray
    ask: np.ndarray
    last: np.ndarray
    settle: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    time: np.ndarray  # seconds since 1970, UTC


def fresh_quotes(quotes: QuoteColumns, at: float | np.ndarray, max_age_seconds: float) -> QuoteColumns:
    """Return the quotes with NaN for prices that are `max_age_seconds` old or older at `at` (seconds since 1970,
    one for all or one each).

    An unknown time counts as too old.
    """
    stale = ~(at - quotes.time < max_age_seconds)
    if not stale.any():
        return quotes
    columns = {name: getattr(quotes, name).copy() for name in ("bid", "ask", "last", "settle", "close", "volume")}
    for column in columns.values():
        column[stale] = np.nan
    return QuoteColumns(time=quotes.time, **columns)


def mid_price(bid: np.ndarray, ask: np.ndarray) -> np.ndarray:
    """Return the middle of a two-sided market that is not crossed, else NaN."""
    return np.where((bid > 0) & (ask >= bid) & (ask < np.inf), 0.5 * (bid + ask), np.nan)


def choose_price(quotes: QuoteColumns, wanted: PriceSource) -> tuple[np.ndarray, np.ndarray]:
    """Return the price and its source (index into PRICE_SOURCES, int8) of each quote.

    `auto` takes the mid of a two-sided, uncrossed market, else the last trade, else settlement, else the close. A
    named source is strict: where it is missing, there is no price (NaN, -1). Zero and negative prices count as missing.
    """
    candidates = (mid_price(quotes.bid, quotes.ask), quotes.last, quotes.settle, quotes.close)
    price = np.full(len(quotes.bid), np.nan)
    source = np.full(len(price), -1, np.int8)
    for number, (name, values) in enumerate(zip(PRICE_SOURCES, candidates, strict=True)):
        if wanted not in (PriceSource.AUTO, name):
            continue
        missing = source < 0
        if not missing.any():
            break
        found = missing & (values > 0) & (values < np.inf)
        np.copyto(price, values, where=found)
        np.copyto(source, np.int8(number), where=found)
    return price, source
