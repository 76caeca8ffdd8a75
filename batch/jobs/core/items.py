"""Read the items of a request as columns. An error in one item is kept with it and does not affect the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from batch.jobs.core.seen_ids import SeenIds
from batch.jobs.core.slices import Lists
from signalsite.foundation.blocks import decode, encode
from signalsite.foundation.computations.contract import Bounds
from signalsite.foundation.computations.option_fields import EITHER, NAMES, REQUIRED
from signalsite.foundation.computations.overrides import why_refused
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import MAX_KEY_LENGTH, complete_key
from timeframes.core.option_names import option_key

MAX_CUSTOM_ID_LENGTH = 128
_OVERRIDE = "override."  # prefix of the columns of overrides in a block


@dataclass(frozen=True, slots=True)
class Items:
    """A run of items as columns of equal length. `overrides` and `refused` are sparse, by place within the run."""

    keys: list[str]
    custom_ids: list[str | None]
    overrides: dict[str, dict[int, float]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

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
            while start < len(run):
                stop = min(start + size - len(chunk), len(run))
                chunk.append(run.part(start, stop))
                start = stop
                if len(chunk) == size:
                    yield chunk
                    chunk = Items([], [])
        if chunk:
            yield chunk


def read_given(raw: Any, overrides: Mapping[str, Bounds], *, most: int, exchange: str) -> Given:
    """Read the items of a list at once, or those of Lists lazily, list by list. Raises InvalidInput.

    `exchange`: of keys that leave theirs out.
    """
    if not isinstance(raw, Lists):
        return Given.whole(read_items(raw, overrides, most=most, exchange=exchange))
    check_count(len(raw), most)
    return Given(len(raw), lambda: map(ItemReader(overrides, exchange).read, raw))


def check_count(count: int, most: int) -> None:
    """Raise InvalidInput unless there are 1 to `most` items."""
    if not 0 < count <= most:
        raise InvalidInput("items", f"items must hold 1 to {most} items, not {count}")


def read_items(raw: Sequence[Any], overrides: Mapping[str, Bounds], *, most: int, exchange: str) -> Items:
    """Read a request's `items`: bare keys, or objects with instrument_key or an option's terms, and with custom_id and
    overrides.

    Raises InvalidInput if the list itself is invalid: not a list, empty, too long, or with an element that is neither
    object nor string. An error inside one item becomes its reason in `refused`.
    """
    if not isinstance(raw, list):
        raise InvalidInput("items", "items must be a list")
    check_count(len(raw), most)
    return ItemReader(overrides, exchange).read(raw)


class ItemReader:
    """Read a request's items, one run after the other."""

    def __init__(self, overrides: Mapping[str, Bounds], exchange: str):
        self._overrides = overrides
        self._exchange = exchange
        self._seen = SeenIds()
        self._first = 0  # place of the next run's first item

    def read(self, raw: list[Any]) -> Items:
        items = Items([], [])
        for place, item in enumerate(raw):
            if isinstance(item, str):
                item = {"instrument_key": item}
            elif not isinstance(item, dict):
                raise InvalidInput(
                    f"items[{self._first + place}]",
                    f"an item is an instrument key as a string, or an object with {EITHER}",
                )
            key, custom_id, reason = item.get("instrument_key"), item.get("custom_id"), _NO_KEY
            if len(item) > 1 and any(item.get(name) is not None for name in NAMES.intersection(item)):
                key, reason = _key_of_terms(item, self._exchange)
            elif isinstance(key, str):
                key = complete_key(key, self._exchange)
            usable = isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH and "\x00" not in key
            items.keys.append(str(key) if usable else "")
            items.custom_ids.append(str(custom_id) if _is_custom_id(custom_id) else None)
            if usable:
                reason = _read_rest(item, place, self._overrides, self._seen, items) if len(item) > 1 else ""
            if reason:
                items.refused[place] = reason
        self._first += len(raw)
        for place in self._seen.end_run():
            items.refused[place] = _repeated(items.custom_ids[place])
        return items


_NO_KEY = f"instrument_key must be a string of 1 to {MAX_KEY_LENGTH} characters; an item has {EITHER}"


def _key_of_terms(item: Mapping[str, Any], exchange: str) -> tuple[str | None, str]:
    """Return the key of the option that the item names outright, or None and why there is none."""
    if item.get("instrument_key") is not None:
        return None, f"an item has {EITHER}, not both"
    try:
        return option_key(item, exchange), ""
    except InvalidInput as error:
        return None, str(error)


def _repeated(custom_id: str | None) -> str:
    return f"custom_id {custom_id!r} is repeated: an earlier item has it"


def _is_custom_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_CUSTOM_ID_LENGTH and "\x00" not in value


def _read_rest(
    item: Mapping[str, Any], place: int, overrides: Mapping[str, Bounds], seen: SeenIds, items: Items
) -> str:
    for name, value in item.items():
        if name == "instrument_key" or value is None or name in NAMES:
            continue
        if name == "custom_id":
            if not _is_custom_id(value):
                return f"custom_id must be a string of 1 to {MAX_CUSTOM_ID_LENGTH} characters"
            if not seen.add(value, place):
                return _repeated(value)
            continue
        bounds = overrides.get(name)
        if bounds is None:
            known = ", ".join(("instrument_key", "custom_id", *overrides))
            return f"unknown field {name[:50]!r}: an item takes {known}, or in place of the key {', '.join(REQUIRED)}"
        if wrong := why_refused(name, value, bounds):
            return wrong
        items.overrides.setdefault(name, {})[place] = float(value)
    return ""
