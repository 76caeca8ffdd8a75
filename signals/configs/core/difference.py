"""What differs between two documents, as rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MISSING = object()
"""Stands for a value that a document lacks."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`before`, `after`: the values at this path, None where there is none; `added`, `removed` tell that from null."""

    path: str
    before: Any
    after: Any
    added: bool = False
    removed: bool = False


def differences(before: Any, after: Any) -> list[Difference]:
    """Return a row for each path at which two JSON values differ, in the order of the later one.

    Lists of keys and of indicators count by their entries, so that one that is new in the midst is one row. Functions
    count by their labels. Other lists are one value.
    """
    return list(_differences("", before, after))


def _differences(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before is MISSING:
        yield Difference(path, None, after, added=True)
        return
    if after is MISSING:
        yield Difference(path, before, None, removed=True)
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*after, *(each for each in before if each not in after)]:
            inner = f"{path}.{name}" if path else str(name)
            yield from _differences(inner, before.get(name, MISSING), after.get(name, MISSING))
        return
    if isinstance(before, list) and isinstance(after, list):
        old, new = _named(before), _named(after)
        if old is not None and new is not None:
            changed = False
            for name in [*new, *(each for each in old if each not in new)]:
                for row in _differences(f"{path}[{name}]", old.get(name, MISSING), new.get(name, MISSING)):
                    changed = True
                    yield row
            if not changed and list(old) != list(new):
                yield Difference(path, before, after)  # another order, which is the order of results
            return
    if type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def _named(values: list[Any]) -> dict[str, Any] | None:
    """Return the entries by what names them, None where that is nothing."""
    if all(isinstance(each, str) for each in values):
        found = {each: each for each in values}
    elif all(isinstance(each, Mapping) and isinstance(each.get("label"), str) for each in values):
        found = {each["label"]: each for each in values}
    else:
        return None
    return found if len(found) == len(values) else None
