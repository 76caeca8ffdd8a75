"""The states of topics: what they hold, and how they are written and read.

Units as in docs/engine.md; null for what is not known. What is read back may be of another version, or of anybody's
making: it is one state that raises BadState, and its reader goes on with the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import orjson

from realtime.core.entry_ids import EntryId, parse_id
from realtime.core.instants import parse_event_time

Number = float | None
encode = msgspec.json.Encoder().encode
"""Of a slice or a level."""


class BadState(ValueError):
    """A state is not what a consumer writes."""


class InstrumentState(msgspec.Struct):
    """The newest tick of an instrument with what was computed of it, as `realtime.ticks.core.cycle` composes it.

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


FORWARD = tuple(name for name in ChainSlice.__struct_fields__ if name.startswith("forward"))
"""What a slice says of its forward."""


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


# --- an instrument's, written in pieces: the beginning is kept, and told again when the chain is repriced ------------


class _Statement(msgspec.Struct, gc=False):
    """How an InstrumentState begins."""

    instrument_key: str
    entry_id: str
    time: datetime
    tick: msgspec.Raw


def begin_instrument(instrument_key: str, entry_id: str, time: datetime, tick: bytes) -> bytes:
    """`tick` is JSON that was checked; all else is written by the encoder."""
    return encode(_Statement(instrument_key, entry_id, time, msgspec.Raw(tick)))[:-1]


def priced_at(moment: str) -> bytes:
    """What stands between the beginning and the answer: shared by all that was priced at an ISO `moment`."""
    return b',"as_of":"%b","greeks":' % moment.encode()


def end_instrument(beginning: bytes, priced: bytes, answer: bytes | None, more: bytes = b"") -> bytes:
    """`answer`: of `encode_answers`; None for what is no option. `more`: of `encode_member`."""
    return b"".join((beginning, priced, answer or b"null", more, b"}"))


def encode_member(name: str) -> bytes:
    """A further member's name; its value, as JSON, is to follow."""
    return b"," + orjson.dumps(name) + b":"


def encode_answers(columns: Mapping[str, Sequence[Any]]) -> list[bytes]:
    """Each option's answers as a JSON object; NaN becomes null."""
    row = _row_type(tuple(columns))
    return [encode(row(*values)) for values in zip(*columns.values(), strict=True)]


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    """A struct takes half the time of a dictionary with the same names."""
    return msgspec.defstruct("Answer", [(name, Any) for name in names], gc=False)


# --- read back --------------------------------------------------------------------------------------------------------


def decode(state: bytes | str) -> Any:
    """Any state, whole: nothing in it is left that others could not read. Raises BadState."""
    try:
        return orjson.loads(state)
    except ValueError as error:
        raise BadState(str(error)) from None


def decode_object(state: bytes | str) -> dict[str, Any]:
    """Raises BadState."""
    read = decode(state)
    if not isinstance(read, dict):
        raise BadState("it is no JSON object")
    return read


def with_members(state: bytes, members: Mapping[str, Any]) -> bytes:
    """The state, which `decode_object` reads, with some more members. Raises BadState."""
    if state[-1:] != b"}":  # what stands behind it would follow on nothing
        raise BadState("something follows the JSON object")
    return state[:-1] + b"," + orjson.dumps(members)[1:]


@dataclass(frozen=True, slots=True)
class KeptInstrument:
    """What an instrument's state says of its tick and of its pricing; None for what it does not say."""

    entry_id: EntryId | None
    time: datetime
    tick: dict[str, Any]
    price: float | None
    as_of: datetime | None


def decode_instrument(state: bytes | str) -> KeptInstrument:
    """Raises BadState."""
    read = decode_object(state)
    tick = read.get("tick")
    if not isinstance(tick, dict):
        raise BadState("its tick is no object")
    time, as_of, entry_id, price = _moment(read, "time"), _moment(read, "as_of"), read.get("entry_id"), tick.get("ltp")
    if time is None:
        raise BadState("it has no time")
    try:
        return KeptInstrument(
            entry_id=None if entry_id is None else parse_id(entry_id),
            time=time,
            tick=tick,
            price=None if price is None else float(price),
            as_of=as_of,
        )
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise BadState(str(error)) from None


def decode_forward(state: bytes | str) -> dict[str, Any]:
    """What a slice says of its forward: the members FORWARD, null where it does not say. Raises BadState."""
    read = decode_object(state)
    forward = read.get("forward")
    if isinstance(forward, bool) or not isinstance(forward, int | float | None):
        raise BadState("its forward is no number")
    return {name: read.get(name) for name in FORWARD}


def _moment(read: Mapping[str, Any], name: str) -> datetime | None:
    if (value := read.get(name)) is None:
        return None
    try:
        moment = parse_event_time(value, UTC)
        if moment.timestamp() > 0:
            return moment
    except (ValueError, TypeError, OverflowError):
        pass
    raise BadState(f"its {name} is {str(value)[:40]!r}, no moment since 1970")
