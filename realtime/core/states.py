"""What the states of topics hold. Units as in docs/engine.md; null for what is not known."""

from typing import Any

import msgspec

Number = float | None


class InstrumentState(msgspec.Struct):
    """The newest tick of an instrument with what was computed of it, as `realtime.core.cycle` composes it.

    `time`: the tick's own. `as_of`: when it was priced. `greeks` is null for what is no option, else the answer and its
    receipts. Results of further computations stand beside, each under its name.
    """

    instrument_key: str
    entry_id: str
    time: str
    tick: dict[str, Any]
    as_of: str
    greeks: dict[str, Any] | None


class OptionColumns(msgspec.Struct, gc=False):
    """One right's options, an element a strike."""

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

    Of a forward by parity: its own bid and ask (from quotes) or residual (from trades), how many strikes took part, and
    which had their prices and did not. `atm_strike` is the live strike nearest to the forward (to the spot where there
    is no forward), and `atm_implied_volatility` the mean of its call's and put's, or the one that is known.
    """

    underlying: str
    expiry: str
    as_of: str
    spot: Number
    forward: Number
    forward_source: str | None
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
    """An option that a level names."""

    strike: float
    ltp: Number
    oi: Number
    implied_volatility: Number
    delta: Number
    gamma: Number
    theta: Number
    vega: Number


class MoneynessLevel(msgspec.Struct, gc=False):
    """The state of topic moneyness:EXCHANGE@SYMBOL:EXPIRY:LEVEL; an option is null where no such strike is live."""

    underlying: str
    expiry: str
    as_of: str
    level: str
    spot: Number
    forward: Number
    atm_strike: Number
    call: LevelOption | None
    put: LevelOption | None
