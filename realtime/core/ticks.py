"""Entries of a tick stream: decoded and checked. What is wrong with one says nothing of the others.

An entry is flat fields, all texts, or one field `data` with the same as a JSON object (docs/live.md). A tick is a
whole statement: a field that it does not give is unknown at its time, not what it was before.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import orjson

from realtime.core.instants import parse_event_time
from realtime.core.states import begin_instrument
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, parse_key

NEW, PROCESSED = "U", "P"
MAX_NUMBER = 1e15
MARK = "suspect"
"""The member that says that a tick is doubted: only the consumer writes it, so no tick may bring it."""
MAX_DEPTH = 32
"""Objects and lists within each other: what is published of a tick holds it a few levels deeper."""

Number = Annotated[float, msgspec.Meta(ge=0.0, le=MAX_NUMBER)]


class Reason(StrEnum):
    """Why a tick is refused: the closed list of what stands under `reason` in the dead letters."""

    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    NOT_POSITIVE = "not_positive"
    TOO_LARGE = "too_large"
    BAD_STATE = "bad_state"
    RESERVED = "reserved"
    MISSING_INSTRUMENT_KEY = "missing_instrument_key"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    FAR_EXPIRY = "far_expiry"
    TOO_MANY_NEW = "too_many_new"
    MISSING_LTT = "missing_ltt"
    BAD_LTT = "bad_ltt"
    FUTURE_LTT = "future_ltt"
    MISSING_PRICE = "missing_price"
    HANDLER_ERROR = "handler_error"  # our handling of it raised, as often as is allowed


class TickFields(msgspec.Struct, omit_defaults=True, gc=False):
    """What a tick may say; anything else rides along untouched."""

    instrument_key: str | None = None
    ltt: str | int | float | None = None
    state: str | None = None
    ltp: Number | None = None
    last_price: Number | None = None
    close: Number | None = None
    open: Number | None = None
    high: Number | None = None
    low: Number | None = None
    bid: Number | None = None
    ask: Number | None = None
    bid_size: Number | None = None
    ask_size: Number | None = None
    last_quantity: Number | None = None  # of the last trade
    ltq: Number | None = None  # the same
    volume: Number | None = None  # since the session began
    oi: Number | None = None


class _KnownFields(TickFields, forbid_unknown_fields=True, gc=False):
    """Nothing but what is known."""


_JSON = msgspec.json.Decoder(TickFields, strict=False)
_KNOWN_JSON = msgspec.json.Decoder(_KnownFields, strict=False)
_encode = msgspec.json.Encoder().encode
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # values as they stand: no double can hold some
_KNOWN = frozenset(TickFields.__struct_fields__)
_PATH = re.compile(r"at `\$\.(\w+)")


class Refused(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Contract:
    """An instrument key as text and parsed, with its exchange's zone for times that name none."""

    text: str
    key: InstrumentKey
    underlying: str
    zone: tzinfo


class Tick(msgspec.Struct, gc=False):
    """One accepted tick. `seconds` since 1970 is `time`; `raw` is all of it as a JSON object."""

    stream: str
    entry_id: str
    contract: Contract
    time: datetime
    seconds: float
    fields: TickFields
    raw: bytes
    statement: bytes  # the beginning of its state (realtime.core.states)
    suspect: str = ""  # why it is kept without being believed (realtime.core.sanity)


def make_tick(
    stream: str, entry_id: str, contract: Contract, time: datetime, seconds: float, fields: TickFields, raw: bytes
) -> Tick:
    """`raw` is JSON that `decode_entry` has checked."""
    statement = begin_instrument(contract.text, entry_id, time, raw)
    return Tick(stream, entry_id, contract, time, seconds, fields, raw, statement)


def decode_entry(entry: Sequence[str], max_bytes: int) -> tuple[TickFields, bytes]:
    """The known fields, and the whole tick as JSON, of an entry's names and values in turn. Raises Refused."""
    if len(entry) == 2 and entry[0] == "data":
        data = entry[1]
        if len(data) > max_bytes:
            raise Refused(Reason.OVERSIZED, f"{len(data)} characters, more than {max_bytes}")
        return _decode_json(data)
    size = sum(map(len, entry))
    if size > max_bytes:
        raise Refused(Reason.OVERSIZED, f"{size} characters, more than {max_bytes}")
    named = dict(zip(entry[::2], entry[1::2], strict=True))
    _check_mark(named)
    try:
        if "data" in named and "instrument_key" not in named:
            "".join(entry).encode()  # all of it, or it could not be written back
            fields, raw = _decode_json(named["data"])
            fields.state = named.get("state", fields.state)
            return fields, raw
        fields = msgspec.convert(named, TickFields, strict=False)
        return fields, _flat_as_json(named, fields)
    except msgspec.ValidationError as error:
        raise _refusal(error, named) from None
    except UnicodeEncodeError:
        raise Refused(Reason.MALFORMED, "not UTF-8") from None


def _flat_as_json(named: Mapping[str, str], fields: TickFields) -> bytes:
    raw = _encode(fields)
    if named.keys() <= _KNOWN or len(raw) == 2:
        return raw
    extra = {name: value for name, value in named.items() if name not in _KNOWN}
    return raw[:-1] + b"," + _encode(extra)[1:]


def _decode_json(data: str) -> tuple[TickFields, bytes]:
    try:
        return _KNOWN_JSON.decode(data), data.strip().encode()
    except msgspec.ValidationError:  # something else rides along, or something is wrong
        return _decode_more(data)
    except msgspec.DecodeError as error:
        raise Refused(Reason.MALFORMED, str(error)) from None
    except UnicodeEncodeError:
        raise Refused(Reason.MALFORMED, "not UTF-8") from None
    except RecursionError:
        raise Refused(Reason.MALFORMED, "nested too deeply") from None


def _decode_more(data: str) -> tuple[TickFields, bytes]:
    try:
        fields = _JSON.decode(data)
        _check_whole(data)
        return fields, data.strip().encode()
    except msgspec.ValidationError as error:
        raise _refusal_of_json(error, data) from None
    except msgspec.DecodeError as error:
        raise Refused(Reason.MALFORMED, str(error)) from None
    except UnicodeEncodeError:
        raise Refused(Reason.MALFORMED, "not UTF-8") from None
    except RecursionError:
        raise Refused(Reason.MALFORMED, "nested too deeply") from None


def _check_whole(data: str) -> None:
    """What the decoder skips is published too: whoever reads it must be able to. Raises Refused, RecursionError."""
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.TOO_LARGE, str(error)) from None  # all else the decoder has refused already
    _check_mark(whole)
    if data.count("{") + data.count("[") > MAX_DEPTH:
        level = [whole]
        for _ in range(MAX_DEPTH):
            level = [
                inner
                for outer in level
                for inner in (outer.values() if isinstance(outer, dict) else outer)
                if isinstance(inner, dict | list)
            ]
        if level:
            raise RecursionError


def _check_mark(tick: Mapping[str, Any]) -> None:
    if MARK in tick:
        raise Refused(Reason.RESERVED, f"{MARK} is the consumer's own mark: rename the field or leave it out")


def _refusal_of_json(error: msgspec.ValidationError, data: str) -> Refused:
    try:
        return _refusal(error, msgspec.json.decode(data))
    except msgspec.ValidationError as beyond:  # a number that no double can hold
        return Refused(Reason.TOO_LARGE, str(beyond))
    except (msgspec.DecodeError, RecursionError) as broken:  # further on than the first fault
        return Refused(Reason.MALFORMED, str(broken))


def _refusal(error: msgspec.ValidationError, document: Any) -> Refused:
    """The library says which field, not in what way: that is found by looking again."""
    found = _PATH.search(str(error))
    if not found or not isinstance(document, dict):
        return Refused(Reason.WRONG_TYPE, str(error))
    name = found[1]
    value: Any = document.get(name)
    if isinstance(value, int) and abs(value) > MAX_NUMBER:  # perhaps more than a double can hold
        return Refused(Reason.TOO_LARGE if value > 0 else Reason.NEGATIVE, f"{name} is beyond {MAX_NUMBER:g}")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return Refused(Reason.WRONG_TYPE, str(error))
    if math.isinf(number) and "inf" not in str(value).lower():
        return Refused(Reason.TOO_LARGE if number > 0 else Reason.NEGATIVE, f"{name} is more than a double can hold")
    if not math.isfinite(number):
        return Refused(Reason.WRONG_TYPE if isinstance(value, bool) else Reason.NOT_FINITE, f"{name} is {value}")
    if number < 0:
        return Refused(Reason.NEGATIVE, f"{name} is {number:g}")
    if number > MAX_NUMBER:
        return Refused(Reason.TOO_LARGE, f"{name} is {number:g}")
    return Refused(Reason.WRONG_TYPE, str(error))


def check_fields(fields: TickFields, *, refuse_zero: bool = False) -> None:
    """State and required fields; afterwards `ltp` and `last_quantity` hold what came by another name. Raises Refused.

    A price of the name `close` is the last price only where no other is given. `refuse_zero`: a last price of 0 is
    none.
    """
    if fields.state is not None and fields.state != NEW and fields.state != PROCESSED:
        raise Refused(Reason.BAD_STATE, f"state {fields.state[:10]!r} is neither U nor P")
    if not fields.instrument_key:
        raise Refused(Reason.MISSING_INSTRUMENT_KEY, "no instrument_key")
    if fields.ltt is None or fields.ltt == "":
        raise Refused(Reason.MISSING_LTT, "no ltt")
    if fields.ltp is None:
        fields.ltp = fields.close if fields.last_price is None else fields.last_price
        if fields.ltp is None:
            raise Refused(Reason.MISSING_PRICE, "none of ltp, last_price and close")
    if refuse_zero and fields.ltp == 0:
        raise Refused(Reason.NOT_POSITIVE, "the last price is 0")
    if fields.last_quantity is None:
        fields.last_quantity = fields.ltq


def read_contract(key: str, underlying: str) -> Contract:
    """What `key` names, if it belongs into the tick stream of `underlying` (EXCHANGE@SYMBOL). Raises Refused.

    A pair on no particular exchange belongs to any exchange's stream of that pair.
    """
    try:
        parsed = parse_key(key)
        zone = exchange_named(parsed.exchange).zone
    except InvalidInput as error:
        raise Refused(Reason.UNKNOWN_INSTRUMENT, str(error)) from None
    if parsed.underlying != underlying and (parsed.exchange or parsed.symbol != underlying.partition("@")[2]):
        raise Refused(Reason.UNKNOWN_INSTRUMENT, f"{key} is not of {underlying}, whose stream this is")
    return Contract(key, parsed, parsed.underlying, zone)


def event_time(fields: TickFields, zone: tzinfo, latest: float) -> tuple[datetime, float]:
    """The tick's `ltt` as an instant and as seconds since 1970; later than `latest` is refused. Raises Refused."""
    try:
        time, seconds = _instant(fields.ltt or "", zone)
    except (ValueError, OverflowError) as error:  # BadInstant is a ValueError, as is an integer of too many digits
        raise Refused(Reason.BAD_LTT, str(error)) from None
    if seconds <= 0:
        raise Refused(Reason.BAD_LTT, f"{time.isoformat()} is not after 1970")
    if seconds > latest:
        raise Refused(Reason.FUTURE_LTT, f"{time.isoformat()} is {seconds - latest:.3f} s later than is allowed")
    return time, seconds


@lru_cache(4_096)  # exchanges tell times in whole seconds or milliseconds: many ticks bear the same
def _instant(ltt: str | float, zone: tzinfo) -> tuple[datetime, float]:
    time = parse_event_time(ltt, zone)
    return time, time.timestamp()


def marked(raw: bytes, suspect: str) -> bytes:
    """A tick's JSON with the mark that it is suspect."""
    return _encode({**_MEMBERS.decode(raw), MARK: suspect})
