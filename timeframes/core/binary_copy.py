"""Rows as the bytes of PostgreSQL's binary COPY, built from whole columns."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_MICROS_TO_2000 = 946_684_800_000_000  # PostgreSQL counts from 2000
Column = tuple[NDArray[np.float64] | NDArray[np.int64], str]
"""Numbers, and how the table holds them: float8, int8, or timestamptz for microseconds since 1970. A NaN is null."""
_KINDS = {"float8": ">f8", "int8": ">i8", "timestamptz": ">i8"}


def field(value: bytes | None) -> bytes:
    """Return a value as it stands in a row: its length, then its bytes. None is null."""
    return b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value


def copied_rows(
    beginnings: Sequence[bytes], fields: int, place: NDArray[np.int64], columns: Sequence[Column]
) -> Iterator[bytes]:
    """Yield rows that begin with `fields` fields, the bytes `beginnings[place]`, and go on with the columns.

    Rows of one shape (length of the beginning, which numbers are null) have one size, so each shape is one block of
    memory; rows keep their order within a shape only.
    """
    shape = np.array([len(each) for each in beginnings], dtype=np.int64)[place]
    empty = [np.isnan(values) for values, _ in columns]
    for each in empty:
        shape = shape * 2 + each
    if (shape == shape[:1]).all():
        parts = [np.arange(len(place))]
    else:
        order = np.argsort(shape, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(shape[order])) + 1)
    for some in parts:
        first = int(some[0])
        nulls = [bool(each[first]) for each in empty]
        fixed = [("count", ">i2"), ("beginning", f"S{len(beginnings[place[first]])}")]
        for at, ((_, kind), null) in enumerate(zip(columns, nulls, strict=True)):
            fixed += [(f"size{at}", ">i4")] + [(f"number{at}", _KINDS[kind])] * (not null)
        rows = np.zeros(len(some), dtype=fixed)
        used, codes = np.unique(place[some], return_inverse=True)
        rows["count"] = fields + len(columns)
        rows["beginning"] = np.array([beginnings[each] for each in used.tolist()], dtype=fixed[1][1])[codes]
        for at, ((values, kind), null) in enumerate(zip(columns, nulls, strict=True)):
            if null:
                rows[f"size{at}"] = -1
                continue
            rows[f"size{at}"] = 8
            chosen = values[some]
            rows[f"number{at}"] = chosen - _MICROS_TO_2000 if kind == "timestamptz" else chosen
        yield rows.tobytes()
