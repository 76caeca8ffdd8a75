"""Decode one entry of a tick stream into known fields and JSON, or reject it.

An entry holds either flat text fields or one field `data` with the same fields as a JSON object (docs/live.md).
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from realtime.ticks.core.tick import MARK, MAX_NUMBER, Reason, RejectedTick, TickFields

MAX_DEPTH = 32
"""Levels of nested objects and lists. A published state holds the tick a few levels deeper."""


class _KnownFields(TickFields, forbid_unknown_fields=True, gc=False):
    """The same fields, strictly: the fast path for a tick without other members."""


_JSON = msgspec.json.Decoder(TickFields, strict=False)
_KNOWN_JSON = msgspec.json.Decoder(_KnownFields, strict=False)
_encode = msgspec.json.Encoder().encode
_KNOWN = frozenset(TickFields.__struct_fields__)
_PATH = re.compile(r"at `\$\.(\w+)")


def decode_entry(entry: Sequence[str], max_bytes: int) -> tuple[TickFields, bytes]:
    """Return the known fields and the whole tick as JSON. `entry` alternates names and values. Raises RejectedTick."""
    if len(entry) == 2 and entry[0] == "data":
        data = entry[1]
        if len(data) > max_bytes:
            raise RejectedTick(Reason.OVERSIZED, f"{len(data)} characters, more than {max_bytes}")
        return _decode_json(data)
    size = sum(map(len, entry))
    if size > max_bytes:
        raise RejectedTick(Reason.OVERSIZED, f"{size} characters, more than {max_bytes}")
    named = dict(zip(entry[::2], entry[1::2], strict=True))
    _check_mark(named)
    try:
        if "data" in named and "instrument_key" not in named:
            "".join(entry).encode()  # the whole entry must be UTF-8, or it could not be written back
            fields, raw = _decode_json(named["data"])
            fields.state = named.get("state", fields.state)
            return fields, raw
        fields = msgspec.convert(named, TickFields, strict=False)
        return fields, _flat_as_json(named, fields)
    except msgspec.ValidationError as error:
        raise _rejection(error, named) from None
    except UnicodeEncodeError:
        raise RejectedTick(Reason.MALFORMED, "not UTF-8") from None


def _flat_as_json(named: Mapping[str, str], fields: TickFields) -> bytes:
    raw = _encode(fields)
    if named.keys() <= _KNOWN or len(raw) == 2:
        return raw
    extra = {name: value for name, value in named.items() if name not in _KNOWN}
    return raw[:-1] + b"," + _encode(extra)[1:]


def _decode_json(data: str) -> tuple[TickFields, bytes]:
    fields: TickFields
    try:
        try:
            fields = _KNOWN_JSON.decode(data)
        except msgspec.ValidationError:  # another member, or a wrong value
            fields = _JSON.decode(data)
            _check_whole(data)
        return fields, data.strip().encode()
    except msgspec.ValidationError as error:
        raise _rejection_of_json(error, data) from None
    except msgspec.DecodeError as error:
        raise RejectedTick(Reason.MALFORMED, str(error)) from None
    except UnicodeEncodeError:
        raise RejectedTick(Reason.MALFORMED, "not UTF-8") from None
    except RecursionError:
        raise RejectedTick(Reason.MALFORMED, "nested too deeply") from None


def _check_whole(data: str) -> None:
    """Check the members that the decoder skips: they are published too. Raises RejectedTick or RecursionError."""
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RejectedTick(Reason.TOO_LARGE, str(error)) from None  # the decoder has rejected every other fault
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
        raise RejectedTick(Reason.RESERVED, f"{MARK} is reserved for the consumer: rename the field or leave it out")


def _rejection_of_json(error: msgspec.ValidationError, data: str) -> RejectedTick:
    try:
        return _rejection(error, msgspec.json.decode(data))
    except msgspec.ValidationError as beyond:  # a number that no double can hold
        return RejectedTick(Reason.TOO_LARGE, str(beyond))
    except (msgspec.DecodeError, RecursionError) as broken:  # a fault after the first one
        return RejectedTick(Reason.MALFORMED, str(broken))


def _rejection(error: msgspec.ValidationError, document: Any) -> RejectedTick:
    """Find out how the field is wrong: the library only says which field it is."""
    found = _PATH.search(str(error))
    if not found or not isinstance(document, dict):
        return RejectedTick(Reason.WRONG_TYPE, str(error))
    name = found[1]
    value: Any = document.get(name)
    if isinstance(value, int) and abs(value) > MAX_NUMBER:  # float() may overflow
        return RejectedTick(Reason.TOO_LARGE if value > 0 else Reason.NEGATIVE, f"{name} is beyond {MAX_NUMBER:g}")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return RejectedTick(Reason.WRONG_TYPE, str(error))
    if math.isinf(number) and "inf" not in str(value).lower():
        return RejectedTick(
            Reason.TOO_LARGE if number > 0 else Reason.NEGATIVE, f"{name} is more than a double can hold"
        )
    if not math.isfinite(number):
        return RejectedTick(Reason.WRONG_TYPE if isinstance(value, bool) else Reason.NOT_FINITE, f"{name} is {value}")
    if number < 0:
        return RejectedTick(Reason.NEGATIVE, f"{name} is {number:g}")
    if number > MAX_NUMBER:
        return RejectedTick(Reason.TOO_LARGE, f"{name} is {number:g}")
    return RejectedTick(Reason.WRONG_TYPE, str(error))
