"""All that is wrong with a document, as fields and what would be right."""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from signalsite.foundation.errors import InvalidInput

Fault = tuple[str, str]
"""The path of a field, such as functions[1].params.length, and what would be right."""
WHOLE = "document"
"""Names what is wrong with the whole."""
MOST_FAULTS = 1000
_SHOWN = 40
T = TypeVar("T")


class Faults:
    """Collects faults, each once, in the order found."""

    def __init__(self) -> None:
        self._found: dict[Fault, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def rows(self) -> list[Fault]:
        return list(self._found)

    def add(self, field: str, message: str) -> None:
        if len(self._found) < MOST_FAULTS:
            self._found[field, message] = None

    def take(self, read: Callable[[], T], field: str | None = None) -> T | None:
        """Return what `read` returns. Of an InvalidInput it keeps the message, under `field` or the error's own, and
        returns None."""
        try:
            return read()
        except InvalidInput as error:
            self.add(field or error.field, str(error))
            return None

    def unknown(self, path: str, names: Iterable[str], known: Iterable[str]) -> None:
        """Add each of the names that is not among the known ones, with the nearest of those."""
        known = tuple(known)
        for name in names:
            if name not in known:
                self.add(f"{path}{plain(name)}", f"unknown field; {nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    near = difflib.get_close_matches(name[:_SHOWN].lower(), known, n=3, cutoff=0.6)
    return f"the nearest are {', '.join(near)}" if near else f"known are {', '.join(known)}"


def plain(name: str) -> str:
    """Return a name as paths show it: of a few plain characters."""
    return re.sub(r"[^A-Za-z0-9_.@/-]", "?", name[:_SHOWN]) or "?"


def shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def kind_of(value: object) -> str:
    """Return what a value is called in JSON."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value)) or ("a list" if isinstance(value, list) else "an object")
