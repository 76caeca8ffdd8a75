"""Greeks from the book: a snapshot of the live chains, and the answers of everything that is due in one call."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from realtime.ticks.core.book import Book, Group, Rows
from signals.greeks.core.answers import answer_options
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.forward import Forward
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import (
    ChainColumns,
    ChainSnapshot,
    ExpiryColumns,
    UnderlyingColumns,
    find_markets,
)
from timeframes.core.sessions import local_date


def price_options(
    book: Book, rows: Rows, quotes: QuoteColumns, now: float, params: GreeksParams
) -> tuple[dict[str, list[Any]], dict[int, Forward]]:
    """Answers by column name (signals.greeks.core.answers) and the ages of what they stand on, NaN for null; and the
    forward of each group.

    `rows`: options of the book; `quotes`: their prices, one each, which need not be the newest. `now`: seconds since
    1970, the moment they are priced at.
    """
    numbers, place = np.unique(book.group[rows], return_inverse=True)
    groups = [book.groups[number] for number in numbers.tolist()]
    terms = [book.chains[group.underlying].terms for group in groups]
    snapshot = take_snapshot(book, groups, now)
    markets = find_markets(snapshot, params)
    contracts = ContractColumns(
        sign=book.sign[rows],
        strike=book.strike[rows],
        expires_at=book.expires_at[rows],
        black76=np.array([each.black76 for each in terms], np.bool_)[place],
        dividend_yield=np.array([each.dividend_yield for each in terms])[place],
        quotes=quotes,
    )
    answers = answer_options(contracts, place, markets, {}, {}, now, params)
    spot = np.array([market.spot for market in markets])
    spots = (book.recent.get(each.spot_key) for each in terms)
    left = np.array([np.nan if recent is None else recent.restored for recent in spots])  # by an earlier consumer
    restored = (snapshot.underlyings.spot_time[snapshot.groups.underlying] == left) & (spot > 0)
    for name, column in (
        ("underlying_price", spot),
        ("underlying_age_seconds", [market.spot_age for market in markets]),
        ("underlying_restored", restored),
        ("volatility_index", [market.volatility_index for market in markets]),
        ("volatility_index_age_seconds", [market.volatility_index_age for market in markets]),
    ):
        answers[name] = np.array(column)[place].tolist()
    return answers, {number: market.forward for number, market in zip(numbers.tolist(), markets, strict=True)}


def take_snapshot(book: Book, groups: Sequence[Group], now: float) -> ChainSnapshot:
    """The chains of these groups, one at least, by their newest ticks; of underlyings and volatility indices the newest
    that is not after `now`."""
    chains = list({group.underlying: book.chains[group.underlying] for group in groups}.values())
    number = {chain.underlying: at for at, chain in enumerate(chains)}
    exchanges = {group.underlying: group.exchange for group in groups}
    instant = datetime.fromtimestamp(now, UTC)
    spots = np.array([_newest(book, chain.terms.spot_key, now) for chain in chains]).reshape(-1, 2)
    indices = np.array([_newest(book, chain.terms.volatility_index_key, now) for chain in chains]).reshape(-1, 2)
    ladders = [group.ladder() for group in groups]
    rows, signs, strikes = map(np.concatenate, zip(*ladders, strict=True))
    futures = [
        (number[chain.underlying], expiry.toordinal(), row) for chain in chains for expiry, row in chain.futures.items()
    ]
    of_underlying, future_expiry, future_rows = np.array(futures, np.intp).reshape(-1, 3).T
    return ChainSnapshot(
        at=now,
        underlyings=UnderlyingColumns(
            spot_time=spots[:, 0],
            spot=spots[:, 1],
            volatility_index_time=indices[:, 0],
            volatility_index=indices[:, 1],
            dividend_yield=np.array([chain.terms.dividend_yield for chain in chains]),
            today=np.array([local_date(exchanges[each.underlying], instant).toordinal() for each in chains]),
        ),
        groups=ExpiryColumns(
            underlying=np.array([number[group.underlying] for group in groups], np.intp),
            expiry=np.array([group.expiry.toordinal() for group in groups], np.int64),
            expires_at=np.array([group.expires_at for group in groups]),
        ),
        options=ChainColumns(
            group=np.repeat(np.arange(len(groups)), [len(each) for each, _, _ in ladders]),
            sign=signs,
            strike=strikes,
            quotes=book.quotes(rows),
        ),
        futures=ExpiryColumns(underlying=of_underlying, expiry=future_expiry, expires_at=book.expires_at[future_rows]),
        future_quotes=book.quotes(future_rows),
    )


def _newest(book: Book, key: str, now: float) -> tuple[float, float]:
    """Time and price of an underlying or an index."""
    recent = book.recent.get(key)
    return recent.at(now) if recent else (np.nan, np.nan)
