"""Read answers of a function's process. Every byte of them may be hostile.

A header's lengths are bounded before anything is read, the JSON is decoded into fixed shapes that have no depth, and
numbers come as raw float64 whose count must be the one declared.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from signals.functions.inside.wire import (
    COLUMN,
    FLAG,
    HEADER,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    MAGIC,
    MOST_META_BYTES,
    MOST_NAMES,
    MOST_NUMBERS,
    MOST_PRINTED,
    NOTHING,
    TABLE,
    WHOLE,
)

Value = float | int | bool | None | np.ndarray
_Kind = Literal["number", "whole", "flag", "nothing", "column", "table"]
_META_BYTES = MOST_META_BYTES + 6 * MOST_PRINTED  # JSON writes a character in six bytes at most


class BadFrame(ValueError):
    """A function's process sent what no answer is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a function or its call, with the line of the user's source where it is known."""

    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call gave: values by name (`several` tells a dict from a bare value), or the error and its faults.

    `lasting`: another call with the same data would fail in the same way.
    """

    values: dict[str, Value]
    several: bool = False
    error: str | None = None
    faults: tuple[Fault, ...] = ()
    printed: str = ""
    lasting: bool = True

    @property
    def reason(self) -> str | None:
        """Return the error in one sentence."""
        if self.error is None:
            return None
        first = self.faults[0]
        where = "" if first.line is None else f" (line {first.line})"
        return f"{self.error}: {first.message}{where}"


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    parts: list[tuple[str, _Kind, list[int]]]
    several: bool
    printed: str


class _Error(msgspec.Struct, forbid_unknown_fields=True):
    error: str
    rows: list[tuple[int | None, str]]


_answers = msgspec.json.Decoder(_Answer)
_errors = msgspec.json.Decoder(_Error)


def sizes(header: bytes) -> tuple[int, int]:
    """Return the lengths of an answer's JSON and numbers. Raises BadFrame."""
    magic, meta, numbers = HEADER.unpack(header)
    if magic != MAGIC or meta > _META_BYTES or numbers > 8 * MOST_NUMBERS or numbers % 8:
        raise BadFrame("its answer has no valid header")
    return meta, numbers


def read(meta: bytes, numbers: bytes) -> Outcome:
    """Return what the answer says. Raises BadFrame."""
    try:
        if meta.startswith(b'{"error"'):
            return _failed(_errors.decode(meta))
        answer = _answers.decode(meta)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadFrame("its answer has not the shape of one") from error
    if len(answer.parts) > MOST_NAMES or len(answer.printed) > MOST_PRINTED:
        raise BadFrame("its answer is too large")
    values: dict[str, Value] = {}
    all_of_them, place = np.frombuffer(numbers, "<f8"), 0
    for name, kind, shape in answer.parts:
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name in values:
            raise BadFrame("its answer has a bad name")
        dimensions = {COLUMN: 1, TABLE: 2}.get(kind, 0)
        if len(shape) != dimensions or any(not 0 <= each <= MOST_NUMBERS for each in shape):
            raise BadFrame("its answer has a bad shape")
        size = int(np.prod(shape, dtype=np.int64)) if shape else 1
        if size > all_of_them.size - place:
            raise BadFrame("its answer lacks numbers")
        values[name] = _value(kind, shape, all_of_them[place : place + size])
        place += size
    if place != all_of_them.size:
        raise BadFrame("its answer has too many numbers")
    return Outcome(values, answer.several, printed=_clean(answer.printed))


def _value(kind: str, shape: list[int], numbers: np.ndarray) -> Value:
    if kind == NOTHING:
        return None
    if shape:
        return numbers.reshape(shape).copy()  # not a view, which would hold the whole answer
    number = float(numbers[0])
    if kind == FLAG:
        return number == 1.0
    return int(number) if kind == WHOLE and abs(number) <= 2**53 else number


def _failed(error: _Error) -> Outcome:
    if not error.rows or len(error.rows) > MOST_NAMES:
        raise BadFrame("its error has no rows")
    faults = tuple(
        Fault(_clean(text)[:LONGEST_MESSAGE], line if line is not None and 0 < line < 1_000_000 else None)
        for line, text in error.rows
    )
    return Outcome({}, error=_clean(error.error)[:LONGEST_NAME] or "Error", faults=faults)


def _clean(text: str) -> str:
    """Return the text without what a terminal, a log or PostgreSQL would take for more than text."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)
