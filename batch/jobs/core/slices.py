"""Cut a large body into slices: lists of some thousand items, read from the body's file on demand."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any
from uuid import uuid4

import numpy as np
import orjson

from signalsite.foundation.errors import InvalidInput

SLICE_BYTES = 256 << 10
LARGEST_ITEM = 4 << 20
"""Room for a portfolio of 10,000 legs."""
LARGEST_HEAD = 2 << 20
"""Limit in bytes of everything except the items: kind, params, selector, ..."""
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_COMMA, _COLON, _QUOTE, _OPEN, _CLOSE, _BEGIN, _END = b',:"{}[]'
_LOWER = 0x20  # the bit that distinguishes a brace from a bracket


class UnreadableBody(InvalidInput):
    """The body is not what its media type says."""

    def __init__(self, message: str):
        super().__init__("body", message)


@dataclass(frozen=True, slots=True)
class Span:
    begin: int
    end: int
    first: int  # place of its first item in the request
    count: int


class Lists(ABC):
    """The items of a body, some thousand at a time. It can be iterated repeatedly; `len` counts all items."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the next list. Raises InvalidInput."""


@dataclass(frozen=True)
class Slices(Lists):
    """The items of a text body. `read` returns the items in one span's bytes, and may raise InvalidInput."""

    file: IO[bytes]
    spans: list[Span]
    read: Callable[[bytes, Span], list[Any]]

    def __len__(self) -> int:
        return sum(span.count for span in self.spans)

    def __iter__(self) -> Iterator[list[Any]]:
        for span in self.spans:
            self.file.seek(span.begin)
            yield self.read(self.file.read(span.end - span.begin), span)


def read_json(file: IO[bytes], size: int) -> Any:
    """Read a large JSON body, with Slices as its `items`. Other fields may come before and after the items.

    This checks the structure of brackets only. Each slice is checked when it is read.
    """
    start, at = b"", None
    for most in (SLICE_BYTES, LARGEST_HEAD):
        start += file.read(most - len(start))
        if (at := _find_items(start)) is not None:
            break
    if at is None or start[at] != _BEGIN:
        if size > LARGEST_HEAD:
            raise _without_list(start, at)
        return _loads(start + file.read())
    at += 1
    spans, end = _cut_list(file, at)
    file.seek(end)
    rest = file.read(LARGEST_HEAD - at + 1)
    if at + len(rest) > LARGEST_HEAD:
        raise UnreadableBody(f"all but the items may have {LARGEST_HEAD} bytes")
    mark = uuid4().hex
    data = _loads(b'%b"%b"%b' % (start[: at - 1], mark.encode(), rest))
    if data["items"] != mark:
        raise InvalidInput("items", "given twice")
    return data | {"items": Slices(file, spans, _read_values)}


def _without_list(start: bytes, at: int | None) -> InvalidInput:
    """Return why a large body cannot be cut, with the message that a small body gets for the same error."""
    if start.lstrip()[:1] not in (b"{", b""):
        return UnreadableBody("must be a JSON object")
    if at is not None and start[at : at + 4] != b"null":
        return InvalidInput("items", "items must be a list")
    return UnreadableBody(f"all but the items may have {LARGEST_HEAD} bytes")


def read_ndjson(file: IO[bytes]) -> Any:
    """Read NDJSON: the first line is the submission without its items, each other line an item; skip empty lines."""
    head = file.readline(LARGEST_HEAD + 1)
    if len(head) > LARGEST_HEAD:
        raise UnreadableBody(f"the first line may have {LARGEST_HEAD} bytes")
    data = _loads(head, "the first line is not JSON")
    if not isinstance(data, dict):
        raise UnreadableBody("the first line must be an object: the submission without its items")
    if "items" in data:
        raise InvalidInput("items", "the items are the lines after the first")
    spans: list[Span] = []
    begin, place = len(head), 0
    while data_ := _whole_lines(file, begin, place):
        count = sum(1 for line in data_.split(b"\n") if line.strip())
        spans.append(Span(begin, begin + len(data_), place, count))
        begin, place = begin + len(data_), place + count
    return data | {"items": Slices(file, spans, _read_lines)} if place else data


def _whole_lines(file: IO[bytes], begin: int, place: int) -> bytes:
    file.seek(begin)
    data = file.read(SLICE_BYTES)
    if data.endswith(b"\n") or len(data) < SLICE_BYTES:
        return data
    if cut := data.rfind(b"\n") + 1:
        return data[:cut]
    data += file.readline(LARGEST_ITEM)
    if not data.endswith(b"\n") and file.read(1):
        raise _too_large(place)
    return data


def _read_lines(data: bytes, span: Span) -> list[Any]:
    values: list[Any] = []
    for line in data.split(b"\n"):
        if line.strip():
            try:
                values.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise InvalidInput(f"items[{span.first + len(values)}]", f"not JSON: {error}") from error
    return values


def _read_values(data: bytes, span: Span) -> list[Any]:
    values: list[Any] = _loads(b"[%b]" % data)
    if len(values) != span.count:
        raise UnreadableBody(f"not JSON: a value is missing behind items[{span.first}]")
    return values


def _loads(data: bytes, what: str = "not JSON") -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UnreadableBody(f"{what}: {error}") from error


def _too_large(place: int) -> InvalidInput:
    return InvalidInput(f"items[{place}]", f"an item may have {LARGEST_ITEM} bytes")


# --- brackets ---------------------------------------------------------------------------------------------------------


def _structure(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes, 0 within strings, and the depth of brackets after each. `data` starts outside of strings."""
    octets = np.frombuffer(_ESCAPED.sub(b"__", data) if b"\\" in data else data, np.uint8)
    outside = np.bitwise_xor.accumulate((octets == _QUOTE).view(np.uint8)) == 0
    octets = octets * outside
    brackets = octets | _LOWER
    depth = np.cumsum((brackets == _OPEN).view(np.int8) - (brackets == _CLOSE).view(np.int8), dtype=np.int32)
    return octets, depth


def _find_items(start: bytes) -> int | None:
    """Return where the value of the body's top-level field `items` begins, or None if it is not in `start`."""
    octets, depth = _structure(start)
    if not start.lstrip().startswith(b"{"):
        return None
    begin = start.index(b"{") + 1
    for at in np.flatnonzero((depth == 1) & ((octets == _COMMA) | (octets == _COLON))):
        if octets[at] == _COLON and _is_items(start[begin:at]):
            value = start[at + 1 :].lstrip()
            return len(start) - len(value) if value else None
        begin = int(at) + 1
    return None


def _is_items(key: bytes) -> bool:
    try:
        return bool(orjson.loads(key) == "items")
    except orjson.JSONDecodeError:  # parsing the whole head reports it
        return False


def _cut_list(file: IO[bytes], begin: int) -> tuple[list[Span], int]:
    """Return the spans of the list that begins there, and the place after its closing bracket."""
    spans: list[Span] = []
    place, most = 0, SLICE_BYTES
    while True:
        file.seek(begin)
        data = file.read(most)
        octets, depth = _structure(data)
        ends = np.flatnonzero(depth < 0)
        if len(ends):
            end = int(ends[0])
            if octets[end] != _END:
                raise UnreadableBody("not JSON: items is closed by a brace")
            if spans or data[:end].strip():
                count = int(np.count_nonzero((octets[:end] == _COMMA) & (depth[:end] == 0))) + 1
                spans.append(Span(begin, begin + end, place, count))
            return spans, begin + end + 1
        commas = np.flatnonzero((octets == _COMMA) & (depth == 0))
        if len(commas):
            end = int(commas[-1])
            spans.append(Span(begin, begin + end, place, len(commas)))
            begin, place, most = begin + end + 1, place + len(commas), SLICE_BYTES
        elif len(data) < most:
            raise UnreadableBody("not JSON: it ends within items")
        elif most > LARGEST_ITEM:
            raise _too_large(place)
        else:
            most = min(most * 2, LARGEST_ITEM + 1)
