"""Messages that are refused, with every reason, for the stream of dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

DEAD_LETTERS = "config_dead_letter"
Fault = tuple[str, str]
"""A field, and what would be right."""

MOST_CHARACTERS = 4_096  # of the entry, and of all faults together: a huge entry is not kept whole
MOST_FAULTS = 100
FAULT_CHARACTERS = 500


class Reason(StrEnum):
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    INVALID = "invalid"
    LIMIT = "limit"
    UNKNOWN_OWNER = "unknown_owner"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    OLDER = "older"
    HANDLER_ERROR = "handler_error"
    GAVE_UP = "gave_up"


class Refused(Exception):
    """A message that changes nothing."""

    def __init__(self, reason: Reason, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in faults))
        self.reason = reason
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a message was refused, cut to a bounded size."""

    reason: Reason
    faults: tuple[Fault, ...]

    @classmethod
    def of(cls, refused: Refused) -> "Refusal":
        faults: list[Fault] = []
        left = MOST_CHARACTERS
        for field, message in refused.faults[:MOST_FAULTS]:
            fault = printable(field, FAULT_CHARACTERS), printable(message, FAULT_CHARACTERS)
            left -= len(fault[0]) + len(fault[1])
            if faults and left < 0:
                break
            faults.append(fault)
        if more := len(refused.faults) - len(faults):
            faults.append(("", f"and {more} more"))
        return cls(reason=refused.reason, faults=tuple(faults))

    def as_json(self) -> dict[str, Any]:
        return {"reason": str(self.reason), "faults": [list(fault) for fault in self.faults]}

    @classmethod
    def from_json(cls, kept: Any) -> "Refusal":
        """Read what `as_json` gave. Raises ValueError, KeyError or TypeError."""
        return cls(
            reason=Reason(kept["reason"]), faults=tuple((str(field), str(text)) for field, text in kept["faults"])
        )

    @property
    def detail(self) -> str:
        return "; ".join(f"{field}: {message}" if field else message for field, message in self.faults)

    def fields(self, entry_id: str, entry: Sequence[str]) -> dict[str, str | bytes]:
        """Return the fields of the dead letter. `entry`: names and values in turn."""
        pairs = zip(entry[::2], entry[1::2], strict=False)
        shown = {printable(name): printable(value) for name, value in pairs}
        return {
            "entry_id": entry_id,
            "reason": str(self.reason),
            "detail": self.detail[:MOST_CHARACTERS],
            "faults": orjson.dumps([{"field": field, "message": message} for field, message in self.faults]),
            "entry": orjson.dumps(shown).decode()[:MOST_CHARACTERS],
        }


def printable(text: str, most: int = MOST_CHARACTERS) -> str:
    """Show bytes that are not UTF-8 as escapes, and NUL too, which PostgreSQL does not store."""
    shown = text[:most].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return shown.replace("\0", "\\x00")
