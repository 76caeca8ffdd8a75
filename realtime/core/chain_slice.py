"""A chain in brief: of each expiry the forward, the volatility at the money, and the options around it in columns.

Made when a chain has been repriced, from the answers that were found anyway. Pure: no clock, no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from moneyness.core.levels import at_the_money, level_name, level_places
from realtime.core.book import Book, Rows
from realtime.core.states import ChainSlice, LevelOption, MoneynessLevel, Number, OptionColumns

NAN = float("nan")
Answers = Mapping[str, Sequence[Any]]
_QUOTED = {"ltp": "last", "bid": "bid", "ask": "ask", "oi": "oi"}  # names in the book
_COMPUTED = ("implied_volatility", "delta", "gamma", "theta", "vega")
_OF_A_LEVEL = LevelOption.__struct_fields__[1:]
_encode = msgspec.json.Encoder().encode


def tell_chain(
    book: Book, rows: Rows, places: Rows, answers: Answers, as_of: str, *, window: int
) -> Iterator[tuple[str, bytes]]:
    """Topics and states of one underlying's live options: a slice for each expiry, and the levels of moneyness in it.

    `places`: where in the columns `answers` (realtime.core.pricing) each of `rows` is found. `window`: strikes on each
    side of the money. Levels are told of the nearest expiry without its date too.
    """
    group = book.group[rows]
    numbers = sorted(np.unique(group).tolist(), key=lambda number: book.groups[number].expiry)
    for number in numbers:
        mine = group == number
        found = _slice(book, book.groups[number].expiry.isoformat(), rows[mine], places[mine], answers, as_of, window)
        yield f"chain:{found.underlying}:{found.expiry}", _encode(found)
        for level in _levels(found, window):
            state = _encode(level)
            yield f"moneyness:{found.underlying}:{found.expiry}:{level.level}", state
            if number == numbers[0]:
                yield f"moneyness:{found.underlying}:{level.level}", state


def _slice(book: Book, expiry: str, rows: Rows, places: Rows, answers: Answers, as_of: str, window: int) -> ChainSlice:
    first = int(places[0])  # what all of an expiry have in common
    spot, forward = answers["underlying_price"][first], answers["forward"][first]
    every, at = np.unique(book.strike[rows], return_inverse=True)
    strikes: list[float] = every.tolist()
    money = forward if forward == forward else spot
    middle = at_the_money(strikes, money) if money == money else len(strikes) // 2
    begin, end = max(middle - window, 0), middle + window + 1
    by_strike = np.full((2, len(strikes)), -1, np.intp)  # calls, puts
    by_strike[(book.sign[rows] < 0).astype(np.intp), at] = np.arange(len(rows))
    call, put = (_columns(book, rows, places, answers, chosen) for chosen in by_strike[:, begin:end])
    known = money == money
    return ChainSlice(
        underlying=book.contracts[rows[0]].underlying,
        expiry=expiry,
        as_of=as_of,
        spot=spot,
        forward=forward,
        forward_source=answers["forward_source"][first] if forward == forward else None,
        atm_strike=strikes[middle] if known else None,
        atm_implied_volatility=_mean(call, put, middle - begin) if known else None,
        strikes=strikes[begin:end],
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
