"""Reads the columns of a raw table as numbers, words and moments. A row is rejected for its first failure."""

import ast
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from signals.importers.core.raw_table import MAX_REJECTS, RawTable, Rejects

T = TypeVar("T")
MAX_PRICE = 1e12
MAX_NUMBER = 1e20  # nanoseconds since 1970 are 2e18
NO_VALUE = frozenset({"", "-", "--", "nan", "none", "null", "n/a", "na"})
"""Texts that stand for "not given", capitals or not."""


@dataclass(frozen=True, eq=False)
class Words:
    """A column of text as codes into its distinct values; -1 where there is none."""

    codes: NDArray[np.int64]
    values: list[str]

    def mapped(self, function: Callable[[str], T]) -> tuple[list[T], NDArray[np.int64]]:
        """Apply a function once to each distinct value."""
        return [function(value) for value in self.values], self.codes

    def texts(self) -> NDArray[np.object_]:
        return np.array([*self.values, ""], dtype=object)[self.codes]


class Columns:
    """The columns of one leg. `reason` and `detail` of a row are empty while it is usable."""

    def __init__(self, raw: RawTable, names: dict[str, str], constants: dict[str, str]) -> None:
        self.raw, self.names, self.constants = raw, names, constants
        self.reason = np.full(len(raw), "", dtype=object)
        self.detail = np.full(len(raw), "", dtype=object)
        self.unread: dict[str, int] = {}
        self._inside: dict[str, pa.Array] = {}

    def has(self, name: str) -> bool:
        return name in self.names or name in self.constants

    def reject(self, bad: NDArray[np.bool_], reason: str, detail: Callable[[int], str] | None = None) -> None:
        if not bad.any():
            return
        new = bad & (self.reason == "")
        if new.any():
            self.reason[new] = reason
            if detail:
                places = np.flatnonzero(new)
                self.detail[new] = [detail(int(place)) for place in places]

    def collect(self, rejects: Rejects, bad: NDArray[np.bool_]) -> None:
        """Add these rows, with their reasons and text."""
        cells = list(self.raw.columns.values())
        for place in np.flatnonzero(bad).tolist():
            text = ""
            if len(rejects.rows) < MAX_REJECTS:
                text = ",".join("" if (value := cell[place].as_py()) is None else str(value) for cell in cells)
            rejects.add(int(self.raw.row[place]), self.reason[place], self.detail[place], text)

    def words(self, name: str) -> Words:
        """Return the text of a field, without the blanks around it."""
        if name not in self.names and name in self.constants:
            return Words(np.zeros(len(self.raw), dtype=np.int64), [self.constants[name]])
        if name not in self.names:
            return Words(np.full(len(self.raw), -1, dtype=np.int64), [])
        return self.words_of(self.names[name])

    def words_of(self, name: str) -> Words:
        """Return the text of a column of the file."""
        column = self.column(name)
        if not pa.types.is_string(column.type):
            column = pa.array([_plain(value) for value in column.to_pylist()], type=pa.string())
        encoded = column.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        values = [value.strip() for value in encoded.dictionary.to_pylist()]
        none = np.array([value.lower() in NO_VALUE for value in values] + [True])
        return Words(np.where(none[codes], -1, codes), values)

    def numbers(self, name: str, *, least: float = -math.inf, strict: bool = True) -> NDArray[np.float64]:
        """Return a field as float64, NaN where it is not given.

        Text, infinities and numbers under `least` reject the row; with `strict=False` they are NaN and are counted in
        `unread`.
        """
        if name not in self.names and name in self.constants:
            return np.full(len(self.raw), _constant(name, self.constants[name]))
        if name not in self.names:
            return np.full(len(self.raw), np.nan)
        column = self.column(self.names[name])
        number, blank = _to_float(column)
        good = blank | (np.isfinite(number) & (number >= least) & (number <= MAX_NUMBER))
        if not good.all():
            if strict:
                limit = f" from {least:g}" if least > -math.inf else ""
                self.reject(~good, f"{name} is not a number{limit}", lambda place: str(column[place].as_py())[:80])
            else:
                self.unread[name] = self.unread.get(name, 0) + int((~good).sum())
            number = np.where(good, number, np.nan)
        return number

    def column(self, name: str) -> pa.Array:
        """Return a column of the file, or what an object in it has at `outer.inner`."""
        if name in self.raw.columns:
            return self.raw.columns[name]
        if name not in self._inside:
            outer, _, inner = name.partition(".")
            found = [_object(text).get(inner) for text in self.raw.columns[outer].to_pylist()]
            texts = ["" if value is None else _plain(value) for value in found]
            self._inside[name] = pa.array(texts, type=pa.string())
        return self._inside[name]


def _to_float(column: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (number, whether none is given). What is no number is NaN and not blank."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        number = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return number, np.isnan(number)
    if not pa.types.is_string(column.type):
        column = pa.array([_plain(value) for value in column.to_pylist()], type=pa.string())
    blank = np.asarray(pc.equal(column, "").fill_null(True))
    try:
        filled = pc.if_else(pa.array(blank), pa.scalar("nan"), column) if blank.any() else column
        number = pc.cast(filled, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        text = pd.Series(column.to_pylist(), dtype=object).fillna("").str.strip()
        blank = text.str.lower().isin(NO_VALUE).to_numpy()
        plain = text.where(text.str.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"), None)
        number = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64)
        return number, blank
    return number, blank | np.isnan(number)


def _constant(name: str, text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return math.nan


def _plain(value: Any) -> str:
    """A number as a person writes it: 20260820, not 20260820.0."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _object(text: str) -> dict[str, Any]:
    """Read an object that a file holds as text: JSON, or as Python writes a dict."""
    if not text or not text.startswith("{") or len(text) > 10_000:
        return {}
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, dict) else {}
    return {}
