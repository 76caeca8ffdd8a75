"""Read the items of a request as columns. An error in one item is kept with it and does not affect the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from batch.jobs.core.seen_ids import SeenIds
from batch.jobs.core.slices import Lists
from signalsite.foundation.blocks import decode, encode
from signalsite.foundation.computations.columns import INSTRUMENT, ITEM_KINDS, ItemKind
from signalsite.foundation.computations.contract import Bounds
from signalsite.foundation.computations.option_fields import EITHER, NAMES, REQUIRED
from signalsite.foundation.computations.overrides import why_refused
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import MAX_KEY_LENGTH, complete_key
from timeframes.core.option_names import option_key

MAX_CUSTOM_ID_LENGTH = 128
_OVERRIDE = "override."  # prefix of the columns of overrides in a block
KEY_NAMES = tuple(each.column.name for each in ITEM_KINDS)
"""The names that the column of keys has in a block: that of its kind of item."""


@dataclass(frozen=True, slots=True)
class Items:
    """A run of items as columns of equal length. `overrides` and `refused` are sparse, by place within the run.

    `key_name`: one of KEY_NAMES.
    """

    keys: list[str]
    custom_ids: list[str | None]
    overrides: dict[str, dict[int, float]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    key_name: str = INSTRUMENT.column.name

    @classmethod
    def of_keys(cls, keys: list[str], kind: ItemKind) -> "Items":
        """Return items that have nothing but their keys."""
        return cls(keys, [None] * len(keys), key_name=kind.column.name)

    @classmethod
    def all_refused(cls, count: int, reason: str) -> "Items":
        """Return `count` refused items, all with the same reason."""
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
            self.key_name,
        )

    def append(self, other: "Items") -> None:
        """Append all items of another run."""
        at = len(self.keys)
        self.keys.extend(other.keys)
        self.custom_ids.extend(other.custom_ids)
        for name, values in other.overrides.items():
            self.overrides.setdefault(name, {}).update((at + place, value) for place, value in values.items())
        self.refused.update((at + place, reason) for place, reason in other.refused.items())

    def extend(self, other: "Items", places: Sequence[int]) -> None:
        """Append the items of another run at these places."""
        for place in places:
            at = len(self.keys)
            self.keys.append(other.keys[place])
            self.custom_ids.append(other.custom_ids[place])
            for name, values in other.overrides.items():
                if place in values:
                    self.overrides.setdefault(name, {})[at] = values[place]
            if place in other.refused:
                self.refused[at] = other.refused[place]

    def to_block(self) -> bytes:
        """Return one block of columns. Equal items give equal bytes."""
        columns: dict[str, pa.Array] = {self.key_name: pa.array(self.keys, pa.string())}
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
        name = next((each for each in KEY_NAMES if each in columns), INSTRUMENT.column.name)
        return cls(
            columns[name],
            columns.get("custom_id") or [None] * len(columns[name]),
            {
                name.removeprefix(_OVERRIDE): _sparse(values)
                for name, values in columns.items()
                if name.startswith(_OVERRIDE)
            },
            _sparse(columns.get("refused", [])),
            name,
        )


def _sparse(values: Sequence[Any]) -> dict[int, Any]:
    return {place: value for place, value in enumerate(values) if value is not None}


@dataclass(frozen=True, slots=True)
class Given:
    """The items of a submission. `runs` yields some thousand at a time, and can be called repeatedly."""

    total: int
    runs: Callable[[], Iterator[Items]]

    def __len__(self) -> int:
        return self.total

    @classmethod
    def whole(cls, items: Items) -> "Given":
        return cls(len(items), lambda: iter((items,)))

    def keys(self) -> Iterator[str]:
        return (key for run in self.runs() for key in run.keys)

    def chunks(self, size: int) -> Iterator[Items]:
        """Yield the items in runs of `size`; the last run may be shorter."""
        chunk = Items([], [])
        for run in self.runs():
            start = 0
            if not chunk:
                chunk = run.part(0, 0)
            while start < len(run):
                stop = min(start + size - len(chunk), len(run))
                chunk.append(run.part(start, stop))
                start = stop
                if len(chunk) == size:
                    yield chunk
                    chunk = run.part(0, 0)
        if chunk:
            yield chunk


def read_given(
    raw: Any,
    overrides: Mapping[str, Bounds],
    *,
    most: int,
    exchange: str,
    kind: ItemKind = INSTRUMENT,
    reader: "type[ItemReader] | None" = None,
) -> Given:
    """Read the items of a list at once, or those of Lists lazily, list by list. Raises InvalidInput.

    `exchange`: of keys that leave theirs out. `reader`: ItemReader, if not another one.
    """
    reads = reader or ItemReader
    if not isinstance(raw, Lists):
        return Given.whole(reads(overrides, exchange, kind).read(checked_list(raw, most)))
    check_count(len(raw), most)
    return Given(len(raw), lambda: map(reads(overrides, exchange, kind).read, raw))


def check_count(count: int, most: int) -> None:
    """Raise InvalidInput unless there are 1 to `most` items."""
    if not 0 < count <= most:
        raise InvalidInput("items", f"items must hold 1 to {most} items, not {count}")


def read_items(
    raw: Sequence[Any], overrides: Mapping[str, Bounds], *, most: int, exchange: str, kind: ItemKind = INSTRUMENT
) -> Items:
    """Read a request's `items`: bare keys, or objects with a key or an option's terms, with custom_id and overrides.

    Raises InvalidInput if the list itself is invalid: not a list, empty, too long, or with an element that is neither
    object nor string. An error inside one item becomes its reason in `refused`.
    """
    return ItemReader(overrides, exchange, kind).read(checked_list(raw, most))


def checked_list(raw: Any, most: int) -> list[Any]:
    """Raise InvalidInput unless it is a list of 1 to `most` items."""
    if not isinstance(raw, list):
        raise InvalidInput("items", "items must be a list")
    check_count(len(raw), most)
    return raw


class ItemReader:
    """Read a request's items, one run after the other."""

    def __init__(self, overrides: Mapping[str, Bounds], exchange: str, kind: ItemKind = INSTRUMENT):
        self._overrides = overrides
        self._exchange = exchange
        self._name = kind.column.name
        self._terms = NAMES if kind.by_terms else frozenset()
        self._either = EITHER if kind.by_terms else kind.column.name
        self._seen = SeenIds()
        self._first = 0  # place of the next run's first item

    def read(self, raw: list[Any]) -> Items:
        items = Items([], [], key_name=self._name)
        no_key = f"{self._name} must be a string of 1 to {MAX_KEY_LENGTH} characters; an item has {self._either}"
        for place, item in enumerate(raw):
            if isinstance(item, str):
                item = {self._name: item}
            elif not isinstance(item, dict):
                raise InvalidInput(
                    f"items[{self._first + place}]",
                    f"an item is a key as a string, or an object with {self._either}",
                )
            key, custom_id, reason = item.get(self._name), item.get("custom_id"), no_key
            if len(item) > 1 and any(item.get(name) is not None for name in self._terms.intersection(item)):
                key, reason = _key_of_terms(item, self._exchange)
            elif isinstance(key, str):
                key = complete_key(key, self._exchange)
            usable = isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH and "\x00" not in key
            items.keys.append(str(key) if usable else "")
            items.custom_ids.append(None if custom_id is None or why_no_custom_id(custom_id) else custom_id)
            if usable:
                reason = self._read_rest(item, place, items) if len(item) > 1 else ""
            if reason:
                items.refused[place] = reason
        self._first += len(raw)
        for place in self._seen.end_run():
            items.refused[place] = repeated(items.custom_ids[place])
        return items

    def _read_rest(self, item: Mapping[str, Any], place: int, items: Items) -> str:
        for name, value in item.items():
            if name == self._name or value is None or name in self._terms:
                continue
            if name == "custom_id":
                if wrong := why_no_custom_id(value):
                    return wrong
                if not self._seen.add(value, place):
                    return repeated(value)
                continue
            bounds = self._overrides.get(name)
            if bounds is None:
                known = ", ".join((self._name, "custom_id", *self._overrides))
                terms = f", or in place of the key {', '.join(REQUIRED)}" if self._terms else ""
                return f"unknown field {name[:50]!r}: an item takes {known}{terms}"
            if wrong := why_refused(name, value, bounds):
                return wrong
            items.overrides.setdefault(name, {})[place] = float(value)
        return ""


def _key_of_terms(item: Mapping[str, Any], exchange: str) -> tuple[str | None, str]:
    """Return the key of the option that the item names outright, or None and why there is none."""
    if item.get("instrument_key") is not None:
        return None, f"an item has {EITHER}, not both"
    try:
        return option_key(item, exchange), ""
    except InvalidInput as error:
        return None, str(error)


def repeated(custom_id: str | None) -> str:
    return f"custom_id {custom_id!r} is repeated: an earlier item has it"


def why_no_custom_id(value: Any) -> str:
    """Return why the value cannot be a custom_id; empty if it can."""
    if isinstance(value, str) and 0 < len(value) <= MAX_CUSTOM_ID_LENGTH and "\x00" not in value:
        return ""
    return f"custom_id must be a string of 1 to {MAX_CUSTOM_ID_LENGTH} characters"
