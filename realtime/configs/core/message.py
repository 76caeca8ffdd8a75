"""Messages of the stream `signal_config_updates` (S32).

    config_json: '{"name": "nifty-5m", ...}'   action: update | delete   [ owner: trader ]

or one field `data` with an object of these three, whose `config_json` may also be the object itself. Other fields are
left alone: the sender may have some of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from realtime.configs.core.refusals import Fault, Reason, Refused

ENVELOPE_BYTES = 4_096  # what `data` may add to the document
OWNER_CHARACTERS = 150


class Action(StrEnum):
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`document`: as it was sent, unchecked. `owner`: a user's name; None: the stream's own."""

    action: Action
    document: Mapping[str, Any]
    owner: str | None = None


def read_message(entry: Sequence[str], *, most_bytes: int) -> Message:
    """Read an entry: names and values in turn. `most_bytes`: of the document. Raises Refused with every fault."""
    fields = _fields(entry, most_bytes)
    faults: list[Fault] = []
    action = fields.get("action")
    if not (isinstance(action, str) and action in tuple(Action)):
        faults.append(("action", f"must be update or delete, not {_shown(action)}"))
    owner = fields.get("owner")
    if owner is not None and not (isinstance(owner, str) and 0 < len(owner) <= OWNER_CHARACTERS and _writable(owner)):
        faults.append(("owner", f"must be a user's name of 1 to {OWNER_CHARACTERS} characters"))
    document: Any = None
    try:
        document = _document(fields, most_bytes)
    except Refused as refused:
        if refused.reason is Reason.TOO_LARGE:
            raise
        faults += refused.faults
    if faults:
        raise Refused(Reason.MALFORMED, faults)
    return Message(action=Action(str(action)), document=document, owner=owner)


def _fields(entry: Sequence[str], most_bytes: int) -> Mapping[str, Any]:
    fields = dict(zip(entry[::2], entry[1::2], strict=False))
    if 2 * len(fields) != len(entry):
        raise Refused(Reason.MALFORMED, [("", "a field's name occurs twice")])
    if "data" not in fields:
        return fields
    if "config_json" in fields:
        raise Refused(Reason.MALFORMED, [("data", "either this field or config_json, not both")])
    return _object(fields["data"], "data", 2 * most_bytes + ENVELOPE_BYTES)  # a JSON text in JSON has escapes


def _document(fields: Mapping[str, Any], most_bytes: int) -> Mapping[str, Any]:
    given = fields.get("config_json")
    if given is None:
        raise Refused(Reason.MALFORMED, [("config_json", "is missing: the configuration as JSON")])
    if not isinstance(given, str):
        try:
            given = orjson.dumps(given).decode()
        except orjson.JSONEncodeError as error:  # it reads deeper objects than it writes
            raise Refused(Reason.MALFORMED, [("config_json", f"cannot be read: {error}")]) from None
    return _object(given, "config_json", most_bytes)


def _object(text: str, field: str, most_bytes: int) -> Mapping[str, Any]:
    # A character has up to four bytes: most texts need not be encoded to know that they are short enough.
    size = len(text) if 4 * len(text) <= most_bytes else len(text.encode("utf-8", "surrogateescape"))
    if size > most_bytes:
        raise Refused(Reason.TOO_LARGE, [(field, f"has {size} bytes, and {most_bytes} are allowed")])
    try:
        found = orjson.loads(text)
    except ValueError as error:
        raise Refused(Reason.MALFORMED, [(field, f"is not JSON: {error}")]) from None
    if not isinstance(found, dict):
        raise Refused(Reason.MALFORMED, [(field, f"must be a JSON object, not {_shown(found)}")])
    return found


def _writable(text: str) -> bool:
    """Return whether PostgreSQL can be asked for it. Bytes that were no UTF-8 are surrogates here."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return repr(value) if isinstance(value, str) and len(value) <= 50 else f"a {type(value).__name__}"
