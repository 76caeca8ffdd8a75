"""Entries that are not accepted, with the reason, for the dead letter stream."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from realtime.ticks.core.tick import Reason

MAX_CHARACTERS = 4_096  # of the entry and of the detail: an oversized entry is not kept whole


@dataclass(frozen=True, slots=True)
class DeadLetter:
    stream: str
    entry_id: str
    entry: Sequence[str]  # names and values in turn
    reason: Reason
    detail: str

    def fields(self) -> dict[str, str | bytes]:
        """Return the fields of the entry in the dead letter stream."""
        entry = dict(zip(self.entry[::2], self.entry[1::2], strict=False))
        readable = orjson.dumps({_printable(name): _printable(value) for name, value in entry.items()})
        return {
            "stream": self.stream,
            "entry_id": self.entry_id,
            "reason": str(self.reason),
            "detail": _printable(self.detail),
            "entry": readable[:MAX_CHARACTERS],
        }


def _printable(text: str) -> str:
    """Show bytes that are not UTF-8 as escapes."""
    return text[:MAX_CHARACTERS].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
