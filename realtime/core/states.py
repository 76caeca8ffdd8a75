"""The states of topics: their members, and how to write and read them.

Units are those of docs/engine.md; null stands for what is not known. A stored state may come from another version or
from a stranger: reading it raises BadState, and the reader goes on with the next state.

The states of chains and levels are in `moneyness.core.chain_slice`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

import msgspec
import orjson

from moneyness.core.chain_slice import ChainSlice
from realtime.core.entry_ids import EntryId, parse_id
from realtime.core.instants import parse_event_time

encode = msgspec.json.Encoder().encode
"""Encode the state of a chain or a level."""


Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
AsSent = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="As the feed sent it: `ltp`, `bid`, `ask`, `oi` and others, as numbers or as text.",
        extra_json_schema={"additionalProperties": True},
    ),
]


class BadState(ValueError):
    """The state is not one that a consumer writes."""


class InstrumentState(msgspec.Struct):
    """The newest tick of an instrument and what was computed from it.

    `time` is the tick's; `as_of` is the moment of pricing. `greeks` holds an option's answer and its receipts, and is
    null for other instruments. Results of further computations follow, each under its name.
    """

    instrument_key: str
    entry_id: str
    time: Instant
    tick: AsSent
    as_of: Instant
    greeks: dict[str, Any] | None


FORWARD = tuple(name for name in ChainSlice.__struct_fields__ if name.startswith("forward"))
"""The members of a slice about its forward."""


# --- an instrument's state in pieces: the beginning is kept, and published again when the chain is repriced ----------


class _Statement(msgspec.Struct, gc=False):
    """The beginning of an InstrumentState."""

    instrument_key: str
    entry_id: str
    time: datetime
    tick: msgspec.Raw


def begin_instrument(instrument_key: str, entry_id: str, time: datetime, tick: bytes) -> bytes:
    """Write the beginning of a state. `tick` is checked JSON; the encoder writes everything else."""
    return encode(_Statement(instrument_key, entry_id, time, msgspec.Raw(tick)))[:-1]


def priced_at(moment: str) -> bytes:
    """Write the part between beginning and answer, shared by everything priced at `moment` (ISO 8601)."""
    return b',"as_of":"%b","greeks":' % moment.encode()


def end_instrument(beginning: bytes, priced: bytes, answer: bytes | None, more: bytes = b"") -> bytes:
    """Join the pieces. `answer`: from `encode_answers`, None for other instruments. `more`: begins with a comma."""
    return b"".join((beginning, priced, answer or b"null", more, b"}"))


def encode_member(name: str) -> bytes:
    """Write the name of a further member. The caller appends its value as JSON."""
    return b"," + orjson.dumps(name) + b":"


def encode_answers(columns: Mapping[str, Sequence[Any]]) -> list[bytes]:
    """Return each option's answers as a JSON object. NaN becomes null."""
    row = _row_type(tuple(columns))
    return [encode(row(*values)) for values in zip(*columns.values(), strict=True)]


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    """Build a struct type: encoding one takes half the time of encoding a dictionary."""
    return msgspec.defstruct("Answer", [(name, Any) for name in names], gc=False)


# --- read back --------------------------------------------------------------------------------------------------------


def decode(state: bytes | str) -> Any:
    """Parse any state completely, so that every reader can read what passes. Raises BadState."""
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
    """Append members to a state that `decode_object` has read. Raises BadState."""
    if state[-1:] != b"}":  # trailing whitespace: there is no brace to replace
        raise BadState("something follows the JSON object")
    return state[:-1] + b"," + orjson.dumps(members)[1:]


@dataclass(frozen=True, slots=True)
class KeptInstrument:
    """A stored instrument state: its tick and its pricing. None stands for a missing member."""

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
    """Return the members FORWARD of a slice, None for a missing one. Raises BadState."""
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
