"""Blocks: columns as a self-describing Arrow IPC stream, compressed with zstd."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

UNREADABLE_BLOCK = (pa.ArrowException, OSError, KeyError)
"""The errors of decoding a block, or of looking for its columns, when it is not one of ours."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")

Values = np.ndarray | Sequence[Any]
"""One column. NaN and None are null."""


def to_table(columns: Mapping[str, Values]) -> pa.Table:
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def encode(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def decode(block: bytes | memoryview) -> pa.Table:
    """Decode a block. Raises one of UNREADABLE_BLOCK."""
    with pa.ipc.open_stream(pa.BufferReader(block)) as reader:
        return reader.read_all()


def conform(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return the wanted columns of a table. Columns that an older version did not write are null."""
    present = set(table.column_names)
    return pa.table(
        [
            table.column(field.name).cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
            for field in wanted
        ],
        schema=wanted,
    )


def count_words(column: pa.ChunkedArray) -> dict[str, int]:
    """Count each word of a text column."""
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


def json_lines(table: pa.Table) -> bytes:
    """Return each row as a JSON object with a newline after it."""
    return msgspec.json.Encoder().encode_lines(_rows(table))


def json_list(table: pa.Table) -> bytes:
    """Return the rows as one JSON list."""
    return msgspec.json.encode(_rows(table))


def _rows(table: pa.Table) -> list[Any]:
    names = tuple(table.column_names)
    row: Any = _row_type(names) if all(map(str.isidentifier, names)) else partial(_mapping, names)
    columns = [[None] * len(each) if each.null_count == len(each) else each.to_pylist() for each in table.columns]
    return list(map(row, *columns))


def _mapping(names: tuple[str, ...], *values: Any) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    """Return a struct type. msgspec encodes a struct in a quarter of the time that orjson takes for a dictionary."""
    return msgspec.defstruct("Row", [(name, Any) for name in names], gc=False)
