"""Whole live chains with their prices, as `evaluate_chain` takes them."""

from collections.abc import Iterable

import numpy as np

from moneyness.core.evaluate_chain import price_chains
from moneyness.core.priced import PricedChains
from realtime.ticks.core.book import Book, ExpiryBook, UnderlyingBook
from realtime.ticks.core.pricing import take_snapshot
from signals.greeks.core.conventions import GreeksParams


def price_live(book: Book, chains: Iterable[UnderlyingBook], now: float, params: GreeksParams) -> PricedChains | None:
    """Return the live expiries of these chains with their prices, None if there are none."""
    groups = [group for chain in chains for group in _live_expiries(book, chain, now, params)]
    if not groups:
        return None
    underlyings = list(dict.fromkeys(group.underlying for group in groups))
    return price_chains(
        take_snapshot(book, groups, now),
        underlyings,
        np.array([book.underlyings[each].terms.black76 for each in underlyings], np.bool_),
        book.interest_of(np.concatenate([group.ladder()[0] for group in groups])),
        params,
    )


def _live_expiries(book: Book, chain: UnderlyingBook, now: float, params: GreeksParams) -> list[ExpiryBook]:
    """Return the expiries that are not over and of which an option has a tick that is young enough, by date."""
    found = []
    for _, number in sorted(chain.expiries.items()):
        group = book.expiries[number]
        if group.expires_at > now and (book.time[group.ladder()[0]] > now - params.max_quote_age_seconds).any():
            found.append(group)
    return found
