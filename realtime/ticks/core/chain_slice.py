"""A chain in brief: of each expiry the forward, the volatility at the money, and the options around it in columns.

Made when a chain has been repriced, from the answers that were found anyway. Pure: no clock, no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moneyness.core.levels import at_the_money, level_name, level_places
from realtime.core.states import ChainSlice, LevelOption, MoneynessLevel, Number, OptionColumns, encode
from realtime.core.topic_grammar import chain_topic, level_topic
from realtime.ticks.core.book import Book, Floats, Rows
from signals.greeks.core.forward import Forward, money

NAN = float("nan")
Answers = Mapping[str, Sequence[Any]]
_QUOTED = {"ltp": "last", "bid": "bid", "ask": "ask", "oi": "oi"}  # names in the book
_COMPUTED = ("implied_volatility", "delta", "gamma", "theta", "vega")
_OF_A_LEVEL = LevelOption.__struct_fields__[1:]


def tell_chain(
    book: Book,
    rows: Rows,
    places: Rows,
    answers: Answers,
    forwards: Mapping[int, Forward],
    as_of: str,
    *,
    window: int,
) -> Iterator[tuple[str, bytes]]:
    """Topics and states of one underlying's live options: a slice for each expiry, and the levels of moneyness in it.

    `places`: where each of `rows` is found in the columns `answers` (realtime.ticks.core.pricing). `forwards`: of each
    group. `window`: strikes on each side of the money. Levels are told of the nearest expiry without its date too.
    """
    group, strike = book.expiry_number[rows], book.strike[rows]
    order = np.lexsort((strike, group))
    group, strike, rows, places = group[order], strike[order], rows[order], places[order]
    begins = np.flatnonzero(np.diff(group, prepend=-1)).tolist()
    numbers = group[begins].tolist()
    expiries = [book.expiries[number].expiry for number in numbers]
    nearest = min(expiries)
    for number, expiry, begin, end in zip(numbers, expiries, begins, [*begins[1:], len(rows)], strict=True):
        own = slice(begin, end)
        market = _Market(answers, forwards[number], as_of)
        found = _slice(book, expiry.isoformat(), strike[own], rows[own], places[own], market, window)
        yield chain_topic(found.underlying, found.expiry), encode(found)
        for level in _levels(found, window):
            state = encode(level)
            yield level_topic(found.underlying, level.level, found.expiry), state
            if expiry == nearest:
                yield level_topic(found.underlying, level.level), state


@dataclass(frozen=True, slots=True)
class _Market:
    answers: Answers
    forward: Forward
    as_of: str


def _slice(
    book: Book, expiry: str, strike: Floats, rows: Rows, places: Rows, market: _Market, window: int
) -> ChainSlice:
    """Of one expiry's options in the order of their strikes."""
    answers, parity = market.answers, market.forward.parity
    first = int(places[0])  # what all of an expiry have in common
    spot, forward = answers["underlying_price"][first], answers["forward"][first]
    is_new = np.diff(strike, prepend=0.0) != 0.0
    strikes: list[float] = strike[is_new].tolist()
    price = money(forward, spot)
    middle = at_the_money(strikes, price) if price is not None else len(strikes) // 2
    begin, end = max(middle - window, 0), middle + window + 1
    number = np.cumsum(is_new) - 1  # of each option's strike
    some = slice(*np.searchsorted(number, (begin, end)).tolist())
    chosen = strikes[begin:end]
    by_strike = np.full((2, len(chosen)), -1, np.intp)  # calls, puts
    by_strike[(book.sign[rows[some]] < 0).astype(np.intp), number[some] - begin] = np.arange(some.start, some.stop)
    call, put = (_columns(book, rows, places, answers, side) for side in by_strike)
    return ChainSlice(
        underlying=book.contracts[rows[0]].underlying,
        expiry=expiry,
        as_of=market.as_of,
        spot=spot,
        forward=forward,
        forward_source=answers["forward_source"][first] if forward == forward else None,
        forward_bid=parity.bid if parity else None,
        forward_ask=parity.ask if parity else None,
        forward_residual=parity.residual if parity else None,
        forward_strikes=parity.strikes if parity else None,
        forward_excluded=parity.excluded if parity else (),
        atm_strike=strikes[middle] if price is not None else None,
        atm_implied_volatility=_mean(call, put, middle - begin) if price is not None else None,
        strikes=chosen,
        call=call,
        put=put,
    )


def _columns(book: Book, rows: Rows, places: Rows, answers: Answers, chosen: Rows) -> OptionColumns:
    """`chosen`: which of `rows`, -1 for none."""
    none = chosen < 0
    columns: dict[str, list[Number]] = {}
    for name, of_book in _QUOTED.items():
        values = getattr(book, of_book)[rows[chosen]]
        values[none] = np.nan
        columns[name] = values.tolist()
    at = np.where(none, -1, places[chosen]).tolist()
    for name in _COMPUTED:
        answer = answers[name]
        columns[name] = [answer[place] if place >= 0 else NAN for place in at]
    return OptionColumns(**columns)


def _mean(call: OptionColumns, put: OptionColumns, place: int) -> Number:
    both = (call.implied_volatility[place], put.implied_volatility[place])
    known = [each for each in both if each is not None and each == each]
    return sum(known) / len(known) if known else None


def _levels(found: ChainSlice, window: int) -> Iterator[MoneynessLevel]:
    if found.atm_strike is None:
        return
    count, money = len(found.strikes), found.strikes.index(found.atm_strike)
    calls, puts = (_options(found.strikes, side) for side in (found.call, found.put))
    for depth in range(-window, window + 1):
        call, put = level_places(money, depth, count)
        if call is not None or put is not None:
            yield MoneynessLevel(
                underlying=found.underlying,
                expiry=found.expiry,
                as_of=found.as_of,
                level=level_name(depth),
                spot=found.spot,
                forward=found.forward,
                atm_strike=found.atm_strike,
                call=calls[call] if call is not None else None,
                put=puts[put] if put is not None else None,
            )


def _options(strikes: Sequence[float], side: OptionColumns) -> list[LevelOption]:
    return [LevelOption(*each) for each in zip(strikes, *(getattr(side, name) for name in _OF_A_LEVEL), strict=True)]
