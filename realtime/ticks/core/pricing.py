"""Greeks from the book: everything that is due is priced in one call, against a snapshot of the live chains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from realtime.core.live_columns import INPUTS
from realtime.core.states import encode_answers
from realtime.ticks.core.applied_ticks import AppliedTicks, join_quotes
from realtime.ticks.core.book import Book, ExpiryBook, Rows, UnderlyingBook
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


@dataclass(frozen=True, slots=True)
class PricedOptions:
    """What one call has priced: the options among the ticks, then those that are repriced without a tick of their own.

    `options`: places of the former among the ticks. `repriced`: rows of the latter. `rows`: both. `current`: places in
    `rows` of prices that no newer tick replaces. `live`: all live option rows of each chain that is due.
    `columns`: the answers as columns; `answers`: as JSON objects. `forwards`: by number of the expiry.
    """

    options: Rows
    repriced: Rows
    rows: Rows
    current: Rows
    live: Sequence[Rows]
    columns: Mapping[str, Sequence[Any]]
    answers: Sequence[bytes]
    forwards: Mapping[int, Forward]


def price_due(
    book: Book, applied: AppliedTicks, due: Sequence[UnderlyingBook], now: float, params: GreeksParams
) -> PricedOptions:
    """Price the options among the ticks and, of the chains that are due, the live options without a new tick."""
    options = np.flatnonzero(book.expiry_number[applied.rows] >= 0)
    newest = applied.newest[options]
    live = [book.live_options(chain, now) for chain in due]
    ticked = applied.rows[options]
    repriced = np.setdiff1d(np.concatenate(live), ticked[newest]) if live else np.empty(0, np.intp)
    rows = np.concatenate([ticked, repriced])
    columns, forwards = (
        price_options(book, rows, join_quotes(applied.quotes, options, book.quotes(repriced)), now, params)
        if len(rows)
        else ({}, {})
    )
    current = np.concatenate([np.flatnonzero(newest), np.arange(len(options), len(rows))])
    return PricedOptions(
        options=options,
        repriced=repriced,
        rows=rows,
        current=current,
        live=live,
        columns=columns,
        answers=encode_answers(columns),
        forwards=forwards,
    )


def price_options(
    book: Book, rows: Rows, quotes: QuoteColumns, now: float, params: GreeksParams
) -> tuple[dict[str, list[Any]], dict[int, Forward]]:
    """Return the answers by column name, NaN for null, and the forward of each expiry by its number.

    The columns are those of `signals.greeks.core.answers`, and the age of each input. `rows`: options of the book;
    `quotes`: one for each, not necessarily the newest. `now`: the moment of pricing, in seconds since 1970.
    """
    numbers, place = np.unique(book.expiry_number[rows], return_inverse=True)
    groups = [book.expiries[number] for number in numbers.tolist()]
    terms = [book.underlyings[group.underlying].terms for group in groups]
    snapshot = take_snapshot(book, groups, now)
    markets = find_markets(snapshot, params)
    contracts = ContractColumns(
        sign=book.sign[rows],
        strike=book.strike[rows],
        expires_at=book.expires_at[rows],
        black76=np.array([each.black76 for each in terms], np.bool_)[place],
        dividend_yield=np.array([each.dividend_yield for each in terms])[place],
        american=np.array([each.american for each in terms], np.bool_)[place],
        quotes=quotes,
    )
    answers = answer_options(contracts, place, markets, {}, {}, now, params)
    spot = np.array([market.spot for market in markets])
    spots = (book.recent.get(each.spot_key) for each in terms)
    kept = np.array([np.nan if recent is None else recent.restored for recent in spots])  # by an earlier consumer
    restored = (snapshot.underlyings.spot_time[snapshot.groups.underlying] == kept) & (spot > 0)
    inputs = {
        "underlying_price": spot,
        "underlying_age_seconds": [market.spot_age for market in markets],
        "underlying_restored": restored,
        "volatility_index": [market.volatility_index for market in markets],
        "volatility_index_age_seconds": [market.volatility_index_age for market in markets],
    }
    for column in INPUTS:
        answers[column.name] = np.array(inputs[column.name])[place].tolist()
    return answers, {number: market.forward for number, market in zip(numbers.tolist(), markets, strict=True)}


def take_snapshot(book: Book, groups: Sequence[ExpiryBook], now: float) -> ChainSnapshot:
    """Return the newest ticks of these expiries, one at least, of their futures, and of spots and volatility indices.

    Prices of spots and volatility indices after `now` are left out.
    """
    chains = list({group.underlying: book.underlyings[group.underlying] for group in groups}.values())
    number = {chain.underlying: at for at, chain in enumerate(chains)}
    exchanges = {group.underlying: group.exchange for group in groups}
    instant = datetime.fromtimestamp(now, UTC)
    spots = np.array([_newest(book, chain.terms.spot_key, now) for chain in chains]).reshape(-1, 3)
    indices = np.array([_newest(book, chain.terms.volatility_index_key, now) for chain in chains]).reshape(-1, 3)
    today = [local_date(exchanges[each.underlying], instant).toordinal() for each in chains]
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
            spot_source=spots[:, 2].astype(np.int8),
            volatility_index_time=indices[:, 0],
            volatility_index=indices[:, 1],
            dividend_yield=np.array([chain.terms.dividend_yield for chain in chains]),
            american=np.array([chain.terms.american for chain in chains], np.bool_),
            today=np.array(today),
            known=[chain.terms.carry.on(day) for chain, day in zip(chains, today, strict=True)],
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


def _newest(book: Book, key: str, now: float) -> tuple[float, float, int]:
    """Return the time, price and price source of a spot or an index."""
    recent = book.recent.get(key)
    return recent.priced_at(now) if recent else (np.nan, np.nan, -1)
