"""What any part of a document must be: JSON of bounded size and depth, that PostgreSQL and Redis can hold."""

import json
import math
from collections.abc import Mapping
from typing import Any

from signals.configs.core.faults import WHOLE, Faults, plain

DEEPEST = 12
_WHOLE_NUMBERS = range(-(2**63), 2**63)


def check_shape(document: Any, faults: Faults, *, most_bytes: int) -> bool:
    """Add what no document may have, and return whether it is worth reading on.

    A value of any size costs no more than one of `most_bytes`, and none is deep enough to exhaust the stack.
    """
    waiting: list[tuple[str, Any, int]] = [("", document, 1)]
    size = 0
    while waiting:
        path, value, depth = waiting.pop()
        size += 1
        inner: list[tuple[str, Any]] = []
        if isinstance(value, str):
            size += len(value)
            _check_text(path, value, faults)
        elif isinstance(value, Mapping):
            for name in value:
                if not isinstance(name, str):
                    faults.add(path or WHOLE, "has a name that is no text")
                    return False
                size += len(name)
                _check_text(f"{path}.{plain(name)}" if path else plain(name), name, faults)
            inner = [(f"{path}.{plain(name)}" if path else plain(name), each) for name, each in value.items()]
        elif isinstance(value, list):
            size += len(value)
            inner = [] if size > most_bytes else [(f"{path}[{place}]", each) for place, each in enumerate(value)]
        else:
            _check_scalar(path or WHOLE, value, faults)
        if size > most_bytes:
            faults.add(WHOLE, _too_large(most_bytes))
            return False
        if inner and depth >= DEEPEST:
            faults.add(path or WHOLE, f"is nested too deeply; {DEEPEST} levels are allowed")
            return False
        waiting += [(where, each, depth + 1) for where, each in inner]
    if not faults and bytes_of(document) > most_bytes:
        faults.add(WHOLE, _too_large(most_bytes))
        return False
    return True


def bytes_of(document: Any) -> int:
    """Return the size of a document's JSON in UTF-8."""
    return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


def _too_large(most_bytes: int) -> str:
    return f"is over {most_bytes} bytes of JSON"


def _check_text(path: str, text: str, faults: Faults) -> None:
    if "\0" in text:
        faults.add(path or WHOLE, "has a NUL character")
    elif not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        faults.add(path or WHOLE, "has characters that UTF-8 cannot write")


def _check_scalar(path: str, value: Any, faults: Faults) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if value not in _WHOLE_NUMBERS:
            faults.add(path, "is a whole number beyond 64 bits")
    elif not isinstance(value, float):
        faults.add(path, f"is a {type(value).__name__}, which JSON has not")
    elif not math.isfinite(value):
        faults.add(path, "is no finite number")
