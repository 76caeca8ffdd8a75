"""A chain in brief: for each expiry the forward, the at-the-money volatility, and the options around it in columns.

Built from Greeks that were computed anyway. Pure: no clock, no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from moneyness.core.levels import at_the_money
from signals.greeks.core.forward import Forward, money

Number = float | None
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Answers = Mapping[str, Sequence[Any]]

NAN = float("nan")
_QUOTED = ("ltp", "bid", "ask", "oi")
_COMPUTED = ("implied_volatility", "delta", "gamma", "theta", "vega")


class OptionColumns(msgspec.Struct, gc=False):
    """The calls or the puts of a slice, one element a strike."""

    ltp: list[Number]
    bid: list[Number]
    ask: list[Number]
    oi: list[Number]
    implied_volatility: list[Number]
    delta: list[Number]
    gamma: list[Number]
    theta: list[Number]
    vega: list[Number]


class ChainSlice(msgspec.Struct, gc=False):
    """The state of topic chain:EXCHANGE@SYMBOL:EXPIRY.

    `forward_price_source` names the price that the forward came from. A forward by parity comes with its bid and ask
    (from quotes) or its residual (from trades), the number of strikes used, and the strikes excluded although they had
    prices. `atm_strike` is the live strike nearest to the forward, or to the spot if there is no forward.
    `atm_implied_volatility` is the mean of its call's and put's, or the known one.
    """

    underlying: str
    expiry: str
    as_of: str
    spot: Number
    forward: Number
    forward_source: str | None
    forward_price_source: str | None
    forward_price_age_seconds: Number
    forward_bid: Number
    forward_ask: Number
    forward_residual: Number
    forward_strikes: int | None
    forward_excluded: tuple[float, ...]
    atm_strike: Number
    atm_implied_volatility: Number
    strikes: list[float]
    call: OptionColumns
    put: OptionColumns


class LevelOption(msgspec.Struct, gc=False):
    """The call or the put of a moneyness level."""

    strike: float
    ltp: Number
    oi: Number
    implied_volatility: Number
    delta: Number
    gamma: Number
    theta: Number
    vega: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedOptions:
    """Columns with one row an instrument, NaN for what is not known. `group` is the number of an option's expiry."""

    group: Rows
    strike: Floats
    sign: Floats  # 1 for calls, -1 for puts
    ltp: Floats
    bid: Floats
    ask: Floats
    oi: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedChain:
    """One underlying's live options with their Greeks.

    `rows`: the options, one at least, as rows of `quoted`. `places`: the place of each of them in the columns
    `answers`. `expiries` and `forwards` are by group.
    """

    underlying: str
    quoted: QuotedOptions
    rows: Rows
    places: Rows
    answers: Answers
    expiries: Mapping[int, date]
    forwards: Mapping[int, Forward]


def slice_chain(chain: PricedChain, *, as_of: str, window: int) -> Iterator[ChainSlice]:
    """Yield a slice for each expiry, with up to `window` strikes on each side of the money."""
    rows, places = chain.rows, chain.places
    group, strike = chain.quoted.group[rows], chain.quoted.strike[rows]
    order = np.lexsort((strike, group))
    group, strike, rows, places = group[order], strike[order], rows[order], places[order]
    begins = np.flatnonzero(np.diff(group, prepend=-1)).tolist()
    for begin, end in zip(begins, [*begins[1:], len(rows)], strict=True):
        own = slice(begin, end)
        yield _slice_expiry(chain, int(group[begin]), strike[own], rows[own], places[own], as_of, window)


def _slice_expiry(
    chain: PricedChain, group: int, strike: Floats, rows: Rows, places: Rows, as_of: str, window: int
) -> ChainSlice:
    """Return the slice of one expiry, whose options are ordered by strike."""
    answers, found = chain.answers, chain.forwards[group]
    parity = found.parity
    first = int(places[0])  # the options of an expiry share spot and forward
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
    is_put = (chain.quoted.sign[rows[some]] < 0).astype(np.intp)
    by_strike[is_put, number[some] - begin] = np.arange(some.start, some.stop)
    call, put = (_option_columns(chain, rows, places, side) for side in by_strike)
    return ChainSlice(
        underlying=chain.underlying,
        expiry=chain.expiries[group].isoformat(),
        as_of=as_of,
        spot=spot,
        forward=forward,
        forward_source=answers["forward_source"][first] if forward == forward else None,
        forward_price_source=answers["forward_price_source"][first],
        forward_price_age_seconds=answers["forward_price_age_seconds"][first],
        forward_bid=parity.bid if parity else None,
        forward_ask=parity.ask if parity else None,
        forward_residual=parity.residual if parity else None,
        forward_strikes=parity.strikes if parity else None,
        forward_excluded=parity.excluded if parity else (),
        atm_strike=strikes[middle] if price is not None else None,
        atm_implied_volatility=_mean_volatility(call, put, middle - begin) if price is not None else None,
        strikes=chosen,
        call=call,
        put=put,
    )


def _option_columns(chain: PricedChain, rows: Rows, places: Rows, chosen: Rows) -> OptionColumns:
    """Return the columns of the chosen options. `chosen` holds indices of `rows`, -1 for none."""
    none = chosen < 0
    columns: dict[str, list[Number]] = {}
    for name in _QUOTED:
        values = getattr(chain.quoted, name)[rows[chosen]]
        values[none] = np.nan
        columns[name] = values.tolist()
    at = np.where(none, -1, places[chosen]).tolist()
    for name in _COMPUTED:
        answer = chain.answers[name]
        columns[name] = [answer[place] if place >= 0 else NAN for place in at]
    return OptionColumns(**columns)


def _mean_volatility(call: OptionColumns, put: OptionColumns, place: int) -> Number:
    both = (call.implied_volatility[place], put.implied_volatility[place])
    known = [each for each in both if each is not None and each == each]
    return sum(known) / len(known) if known else None
