"""Greeks from the book: the forwards of the live chain, then one engine call for everything that is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import msgspec
import numpy as np

from realtime.core.book import Book, Chain, Floats, Group, Rows
from signals.greeks.core.answers import answer_columns
from signals.greeks.core.conventions import ForwardSource, GreeksParams, PriceSource, expiry_years
from signals.greeks.core.evaluate import OptionColumns, evaluate
from signals.greeks.core.forward import NO_FORWARD, Forward, find_forward, forward_columns
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.greeks.core.prices import QuoteColumns, choose_price
from timeframes.core.sessions import local_date

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class GroupMarket:
    """What the options of one underlying and expiry share at `now`. NaN for what is unknown."""

    forward: Forward
    spot: float
    spot_age: float
    volatility_index: float  # as a decimal
    volatility_index_age: float
    days_to_expiry: float
    black76: float
    dividend_yield: float
    spot_restored: float  # 1.0 where the spot is the last known one of an earlier consumer


def price_options(
    book: Book, rows: Rows, quotes: QuoteColumns, now: float, params: GreeksParams
) -> tuple[dict[str, list[Any]], dict[int, Forward]]:
    """Answers by column name (signals.greeks.core.answers) and the ages of what they stand on, NaN for null; and the
    forward of each group.

    `rows`: options of the book; `quotes`: their prices, one each, which need not be the newest. `now`: seconds since
    1970, the moment they are priced at.
    """
    numbers, place = np.unique(book.group[rows], return_inverse=True)
    markets = find_markets(book, [book.groups[number] for number in numbers.tolist()], now, params)
    forwards = [market.forward for market in markets]

    def of_group(name: str) -> Floats:
        return np.array([getattr(market, name) for market in markets], np.float64)[place]

    unset = np.full(len(rows), np.nan)
    fresh = _fresh(quotes, now, params.max_quote_age_seconds)
    options = OptionColumns(
        sign=book.sign[rows],
        strike=book.strike[rows],
        seconds_to_expiry=book.expires_at[rows] - now,
        days_to_expiry=of_group("days_to_expiry"),
        black76=of_group("black76") > 0,
        dividend_yield=of_group("dividend_yield"),
        quotes=fresh,
        spot=of_group("spot"),
        **forward_columns(forwards, place),
        volatility_index=of_group("volatility_index"),
        override_price=unset,
        override_underlying=unset,
        override_volatility=unset,
        override_rate=unset,
        override_dividend_yield=unset,
    )
    answers = answer_columns(evaluate(options, params), options, {}, now, params)
    answers["underlying_price"] = options.spot.tolist()
    answers["underlying_age_seconds"] = of_group("spot_age").tolist()
    answers["underlying_restored"] = [flag > 0 for flag in of_group("spot_restored").tolist()]
    answers["volatility_index"] = options.volatility_index.tolist()
    answers["volatility_index_age_seconds"] = of_group("volatility_index_age").tolist()
    return answers, dict(zip(numbers.tolist(), forwards, strict=True))


def _fresh(quotes: QuoteColumns, now: float, max_age: float) -> QuoteColumns:
    """Quotes older than `max_age` seconds become none."""
    stale = ~(now - quotes.time < max_age)
    if not stale.any():
        return quotes
    columns = {name: getattr(quotes, name).copy() for name in ("bid", "ask", "last", "settle", "close", "volume")}
    for column in columns.values():
        column[stale] = np.nan
    return QuoteColumns(time=quotes.time, **columns)


def find_markets(book: Book, groups: Sequence[Group], now: float, params: GreeksParams) -> list[GroupMarket]:
    """The market around the options of each underlying and expiry, from the newest ticks of its chain.

    The underlying and the volatility index are the newest ones not after `now`. A price older than
    `params.max_quote_age_seconds` is none.
    """
    one_of_each = {group.underlying: group for group in groups}
    arounds = {name: _around(book, group, now, params) for name, group in one_of_each.items()}
    years = [_years(arounds[group.underlying], group.expiry, group.expires_at, now, params) for group in groups]
    parities = _parities(book, groups, years, now, params)
    return [
        _market(arounds[group.underlying], group, each_years, parity, now, params)
        for group, each_years, parity in zip(groups, years, parities, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Around:
    """What all options of an underlying share at `now`: prices with their ages, and the futures' by expiry."""

    chain: Chain
    today: date
    spot: float
    spot_age: float
    spot_restored: bool
    index: float
    index_age: float
    futures: Mapping[date, tuple[float, float]]  # price, moment of expiry


def _around(book: Book, group: Group, now: float, params: GreeksParams) -> _Around:
    chain = book.chains[group.underlying]
    spot, spot_age, restored = _recent(book, chain.terms.spot_key, now, params)
    index, index_age, _ = _recent(book, chain.terms.volatility_index_key, now, params)
    today = local_date(group.exchange, datetime.fromtimestamp(now, UTC))
    futures = _future_prices(book, chain, now, params)
    return _Around(chain, today, spot, spot_age, restored, index, index_age, futures)


def _years(around: _Around, expiry: date, expires_at: float, now: float, params: GreeksParams) -> float:
    days = float((expiry - around.today).days)
    return float(expiry_years(params.day_count, np.array([expires_at - now]), np.array([days]))[0])


def _market(
    around: _Around, group: Group, years: float, parity: ParityForward | None, now: float, params: GreeksParams
) -> GroupMarket:
    terms = around.chain.terms
    return GroupMarket(
        forward=_forward(around, group, years, parity, now, params) if group.expires_at > now else NO_FORWARD,
        spot=around.spot,
        spot_age=around.spot_age,
        volatility_index=around.index / 100.0,
        volatility_index_age=around.index_age,
        days_to_expiry=float((group.expiry - around.today).days),
        black76=float(terms.black76),
        dividend_yield=terms.dividend_yield,
        spot_restored=float(around.spot_restored),
    )


def _recent(book: Book, key: str, now: float, params: GreeksParams) -> tuple[float, float, bool]:
    """Price, age and whether it was taken over from an earlier consumer, of an underlying or an index."""
    recent = book.recent.get(key)
    if recent is None:
        return NAN, NAN, False
    seconds, price = recent.at(now)
    if not now - seconds < params.max_quote_age_seconds or not price > 0:
        return NAN, NAN, False
    return price, now - seconds, seconds == recent.restored


def _forward(
    around: _Around, group: Group, years: float, parity: ParityForward | None, now: float, params: GreeksParams
) -> Forward:
    futures = around.futures
    nearest = min(futures, key=lambda expiry: abs((expiry - group.expiry).days), default=None)
    own_yield = around.chain.terms.dividend_yield if params.dividend_yield is None else params.dividend_yield
    return find_forward(
        params.forward,
        parity=parity,
        future=futures.get(group.expiry, (NAN, NAN))[0],
        spot=around.spot,
        nearest_future=(
            (NAN, 0.0)
            if nearest is None
            else (futures[nearest][0], _years(around, nearest, futures[nearest][1], now, params))
        ),
        expiry_years=years,
        rate=params.rate,
        dividend_yield=own_yield,
    )


def _future_prices(book: Book, chain: Chain, now: float, params: GreeksParams) -> dict[date, tuple[float, float]]:
    if not chain.futures:
        return {}
    rows = np.array([row for row, _ in chain.futures.values()], np.intp)
    price, _ = choose_price(_fresh(book.quotes(rows), now, params.max_quote_age_seconds), PriceSource.AUTO)
    return {
        expiry: (each, expires_at)
        for (expiry, (_, expires_at)), each in zip(chain.futures.items(), price.tolist(), strict=True)
        if each == each
    }


def _parities(
    book: Book, groups: Sequence[Group], years: Sequence[float], now: float, params: GreeksParams
) -> Sequence[ParityForward | None]:
    """What the strikes of each group say, all in one go: there are many small groups. None where nobody asks them."""
    if params.forward not in (ForwardSource.AUTO, ForwardSource.PARITY):
        return [None] * len(groups)
    pairs = [group.paired() for group in groups]
    rows = np.concatenate([*(calls for calls, _ in pairs), *(puts for _, puts in pairs)])
    quotes = _fresh(book.quotes(rows), now, params.max_quote_age_seconds)
    price, source = choose_price(quotes, params.price)
    spread = np.where(source == 0, quotes.ask - quotes.bid, np.nan)  # 0 is the mid
    half = len(rows) // 2
    columns = ParityColumns(
        strike=book.strike[rows[:half]],
        call=price[:half],
        put=price[half:],
        call_spread=spread[:half],
        put_spread=spread[half:],
        call_volume=quotes.volume[:half],
        put_volume=quotes.volume[half:],
        call_time=quotes.time[:half],
        put_time=quotes.time[half:],
    )
    sizes = np.array([len(calls) for calls, _ in pairs])
    return parity_forwards(columns, sizes, rate=params.rate, expiry_years=np.array(years))


def as_json(columns: Mapping[str, Sequence[Any]]) -> list[bytes]:
    """Each option's answers as a JSON object; NaN becomes null."""
    row, encode = _row_type(tuple(columns)), msgspec.json.Encoder().encode
    return [encode(row(*values)) for values in zip(*columns.values(), strict=True)]


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    """A struct takes half the time of a dictionary with the same names."""
    return msgspec.defstruct("Answer", [(name, Any) for name in names], gc=False)
