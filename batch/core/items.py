"""The items of a request as columns; what is wrong with one item is kept beside it and sinks nothing else."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from signalsite.foundation.blocks import decode, encode
from signalsite.foundation.computations.contract import Bounds
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import MAX_KEY_LENGTH

MAX_CUSTOM_ID_LENGTH = 128
_OVERRIDE = "override."  # before the name, in a block's columns
_LARGEST = sys.float_info.max  # NaN, infinity and integers that no float holds are beyond it


@dataclass(frozen=True, slots=True)
class Items:
    """Columns of equal length; `overrides` and `refused` are sparse, by place within this run of items."""

    keys: list[str]
    custom_ids: list[str | None]
    overrides: dict[str, dict[int, float]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    @classmethod
    def all_refused(cls, count: int, reason: str) -> "Items":
        """So many items of which nothing is known but why."""
        return cls([""] * count, [None] * count, refused=dict.fromkeys(range(count), reason))

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, start: int, stop: int) -> "Items":
        return Items(
            self.keys[start:stop],
            self.custom_ids[start:stop],
            {
                name: inside
                for name, values in self.overrides.items()
                if (inside := {at - start: value for at, value in values.items() if start <= at < stop})
            },
            {at - start: reason for at, reason in self.refused.items() if start <= at < stop},
        )

    def extend(self, other: "Items", places: Sequence[int]) -> None:
        """Append the items of another run that stand at these places."""
        for place in places:
            at = len(self.keys)
            self.keys.append(other.keys[place])
            self.custom_ids.append(other.custom_ids[place])
            for name, values in other.overrides.items():
                if place in values:
                    self.overrides.setdefault(name, {})[at] = values[place]

    def to_block(self) -> bytes:
        """All of it as one block of columns, the same bytes for the same items."""
        columns: dict[str, pa.Array] = {"instrument_key": pa.array(self.keys, pa.string())}
        if any(self.custom_ids):
            columns["custom_id"] = pa.array(self.custom_ids, pa.string())
        if self.refused:
            columns["refused"] = pa.array(map(self.refused.get, range(len(self))), pa.string())
        for name, values in sorted(self.overrides.items()):
            columns[_OVERRIDE + name] = pa.array(map(values.get, range(len(self))), pa.float64())
        return encode(pa.table(columns))

    @classmethod
    def from_block(cls, block: bytes | memoryview) -> "Items":
        columns = decode(block).to_pydict()
        return cls(
            columns["instrument_key"],
            columns.get("custom_id") or [None] * len(columns["instrument_key"]),
            {
                name.removeprefix(_OVERRIDE): _sparse(values)
                for name, values in columns.items()
                if name.startswith(_OVERRIDE)
            },
            _sparse(columns.get("refused", [])),
        )


def _sparse(values: Sequence[Any]) -> dict[int, Any]:
    return {place: value for place, value in enumerate(values) if value is not None}


def read_items(raw: Sequence[Any], overrides: Mapping[str, Bounds], *, most: int) -> Items:
    """Read a request's `items`: objects with instrument_key, optional custom_id and overrides, or bare keys.

    Raises InvalidInput for what makes the list itself unreadable: no list, empty, too long, an element that is neither
    object nor string. Anything wrong inside one item is a reason in `refused`.
    """
    if not isinstance(raw, list):
        raise InvalidInput("items", "items must be a list")
    if not 0 < len(raw) <= most:
        raise InvalidInput("items", f"items must hold 1 to {most} items, not {len(raw)}")
    items = Items([], [])
    seen: set[str] = set()
    for place, item in enumerate(raw):
        if isinstance(item, str):
            item = {"instrument_key": item}
        elif not isinstance(item, dict):
            raise InvalidInput(
                f"items[{place}]", "an item is an object with instrument_key, or an instrument key as a string"
            )
        key, custom_id = item.get("instrument_key"), item.get("custom_id")
        usable = isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH and "\x00" not in key
        items.keys.append(str(key) if usable else "")
        items.custom_ids.append(str(custom_id) if _is_custom_id(custom_id) else None)
        if not usable:
            items.refused[place] = f"instrument_key must be a string of 1 to {MAX_KEY_LENGTH} characters"
        elif len(item) > 1 and (reason := _read_rest(item, place, overrides, seen, items)):
            items.refused[place] = reason
    return items


def _is_custom_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_CUSTOM_ID_LENGTH and "\x00" not in value


def _read_rest(
    item: Mapping[str, Any], place: int, overrides: Mapping[str, Bounds], seen: set[str], items: Items
) -> str | None:
    for name, value in item.items():
        if name == "instrument_key" or value is None:
            continue
        if name == "custom_id":
            if not _is_custom_id(value):
                return f"custom_id must be a string of 1 to {MAX_CUSTOM_ID_LENGTH} characters"
            if value in seen:
                return f"custom_id {value!r} is repeated: an earlier item has it"
            seen.add(value)
            continue
        bounds = overrides.get(name)
        if bounds is None:
            return f"unknown field {name[:50]!r}: an item takes instrument_key, custom_id, {', '.join(overrides)}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
            return f"{name} must be a number"
        if not bounds.admits(value):
            return f"{name} must be {bounds}, not {value:g}"
        items.overrides.setdefault(name, {})[place] = float(value)
    return None
