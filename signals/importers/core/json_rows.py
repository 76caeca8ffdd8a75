"""Reads JSON: a document with rows somewhere in it, or one object on each line."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from signals.importers.core.mapping import LEGS, Mapping
from signals.importers.core.raw_table import NotATable, RawTable, Rejects, Wanted, find_columns
from signals.importers.core.text_blocks import MAX_LINE, TOO_LONG, TextBlocks

MAX_DOCUMENT = 64 << 20
"""A document is read whole; larger data comes as one object on each line."""
MAX_ROWS = 1_000_000
ROWS = 100_000
_MAX_DIGITS = 400


def document_table(text: str, mapping: Mapping) -> RawTable:
    """Read one JSON document. Raises NotATable."""
    document = _loads(text)
    if not mapping.records:
        rows: list[Any] = document if isinstance(document, list) else [document]
    else:
        rows = [row for path in mapping.records for row in _first(document, path)]
    shared = {}
    for name, path in mapping.document.items():
        found = next((each for each in _first(document, path) if each is not None), None)
        if found is not None:
            shared[name] = _as_text(found)
    if len(rows) > MAX_ROWS:
        raise NotATable(f"a JSON document has at most {MAX_ROWS:,} rows, not {len(rows):,}; write more as JSON lines")
    if not rows:
        wanted = " or ".join(mapping.records) or "the document"
        raise NotATable(f"the JSON has no rows at {wanted}")
    return _table(list(enumerate(rows, 1)), mapping, shared, Rejects(), [])


def line_tables(chunks: Iterable[bytes], mapping: Mapping) -> Iterator[RawTable]:
    """Read JSON lines in pieces of any size."""
    lines = TextBlocks(iter(chunks))
    names: list[str] = []
    for start, block in lines.blocks():
        rejects, lines.rejects = lines.rejects, Rejects()
        rows = []
        for number, line in enumerate(block.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start):
            if len(line) > MAX_LINE:
                rejects.add(number, TOO_LONG, f"{len(line):,} bytes", line[:200].decode("latin-1"))
            elif line.strip():
                try:
                    rows.append((number, _loads(line.decode("utf-8"))))
                except (NotATable, UnicodeDecodeError) as error:
                    rejects.add(number, "not JSON", str(error), line[:500].decode("latin-1"))
        table = _table(rows, mapping, {}, rejects, names)
        names = list(table.names)
        yield table


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise NotATable("the JSON is nested too deeply") from None
    except ValueError as error:
        raise NotATable(f"not JSON: {error}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else math.inf


def _first(document: Any, path: str) -> list[Any]:
    """Return the values of the first of the alternatives `a|b` that has any."""
    return next((found for way in path.split("|") if (found := _at(document, way.split(".")))), [])


def _at(value: Any, path: list[str]) -> list[Any]:
    """Return the values at a path, of which `*` is any name or any place."""
    found = [value]
    for step in path:
        below: list[Any] = []
        for each in found:
            if step == "*":
                below += each if isinstance(each, list) else each.values() if isinstance(each, dict) else []
            elif isinstance(each, dict) and step in each:
                below.append(each[step])
        found = below
    return found


def _table(
    rows: list[tuple[int, Any]], mapping: Mapping, shared: dict[str, str], rejects: Rejects, known: list[str]
) -> RawTable:
    """`known`: names of earlier rows of the file, since each row may have others."""
    good: list[tuple[int, dict[str, Any]]] = []
    for number, row in rows:
        if isinstance(row, list) and mapping.fewest <= len(row) <= len(mapping.names):  # the mapping names the places
            row = dict(zip(mapping.names, row, strict=False))
        if isinstance(row, dict):
            good.append((number, row))
        else:
            rejects.add(number, "not an object", f"{type(row).__name__}", _as_text(row))
    names = list(dict.fromkeys([*known, *(name for _, row in good for name in _names(row))]))
    if not names:
        raise NotATable("the JSON has no objects as rows")
    wanted = find_columns(mapping, names, [*shared, *mapping.constants])
    columns = {column: _column([_inside(row, column) for _, row in good]) for column in wanted.columns}
    return RawTable(
        columns=columns,
        row=np.array([number for number, _ in good], dtype=np.int64),
        names=names,
        wanted=wanted,
        rejects=rejects,
        shared=shared,
        present=_present(good, mapping, wanted),
        read=len(good) + sum(rejects.counts.values()),
    )


def _names(row: dict[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)


def _present(rows: list[tuple[int, dict[str, Any]]], mapping: Mapping, wanted: Wanted) -> dict[str, Any]:
    """Say which rows have a leg at all: NSE's rows have a call, a put or both."""
    found = {}
    for leg in LEGS:
        if leg in mapping.legs:
            outer = {
                c.partition(".")[0] for name, c in wanted.by_leg[leg].items() if f"{leg}.{name}" in mapping.columns
            }
            found[leg] = np.array([any(row.get(name) is not None for name in outer) for _, row in rows], dtype=bool)
    return found


def _inside(row: dict[str, Any], column: str) -> Any:
    if column in row:
        return row[column]
    outer, _, inner = column.partition(".")
    value = row.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def _column(values: list[Any]) -> pa.Array:
    """Numbers where all are numbers, else text."""
    if all(value is None or (type(value) in (int, float)) for value in values):
        return pa.array(
            [None if value is None else _float(value) for value in values], type=pa.float64(), from_pandas=False
        )
    return pa.array([_as_text(value) for value in values], type=pa.string())


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate is no text
