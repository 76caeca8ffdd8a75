"""Answers as Arrow tables, and as blocks: an Arrow IPC stream, compressed with zstd, that says itself what is in it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from signalsite.foundation.computations.contract import IDENTITY, Column, Computation, Values, Words

_TYPES = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}
UNREADABLE_BLOCK = (pa.ArrowException, OSError, KeyError)
"""What decoding a block, or looking for its columns, raises where it is none of ours."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of these columns, with the unit of each as metadata."""
    return pa.schema(
        pa.field(column.name, _TYPES[column.type], metadata={"unit": column.unit} if column.unit else None)
        for column in columns
    )


def answer_schema(computation: Computation) -> pa.Schema:
    """The schema of a computation's answers. It follows from the declaration alone, never from the rows at hand."""
    return schema((*IDENTITY, *computation.columns))


def to_table(columns: Mapping[str, Values]) -> pa.Table:
    """Columns as a table. NaN becomes null; words become a dictionary."""
    return pa.table({name: to_array(values) for name, values in columns.items()})


def to_array(values: Values) -> pa.Array:
    if isinstance(values, Words):
        codes = np.asarray(values.codes, np.int32)
        null = np.array([word is None for word in values.words] + [True])[codes]  # the last for -1
        words = pa.array(["" if word is None else word for word in values.words], pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=null), words)
    return pa.array(values, from_pandas=True)


def encode(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def decode(block: bytes | memoryview) -> pa.Table:
    with pa.ipc.open_stream(pa.BufferReader(block)) as reader:
        return reader.read_all()


def conform(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The wanted columns of a table that an older version may have written: what it lacks is null."""
    present = set(table.column_names)
    return pa.table(
        [
            table.column(field.name).cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
            for field in wanted
        ],
        schema=wanted,
    )


def count_words(table: pa.Table, name: str) -> dict[str, int]:
    """How often each word stands in a column of texts."""
    return {row["values"]: row["counts"] for row in pc.value_counts(plain(table.column(name))).to_pylist()}


def json_lines(table: pa.Table) -> bytes:
    """Each row as a JSON object in the table's columns, with a newline after it."""
    row = _row_type(tuple(table.column_names))
    columns = [_pylist(column) for column in table.columns]
    return msgspec.json.Encoder().encode_lines(list(map(row, *columns)))


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    """msgspec encodes a struct in a quarter of the time that orjson takes for a dictionary of the same names."""
    return msgspec.defstruct("Row", [(name, Any) for name in names], gc=False)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _pylist(column: pa.ChunkedArray) -> list[Any]:
    """`to_pylist`, which takes ten times as long for a dictionary or for nothing but nulls."""
    if column.null_count == len(column):
        return [None] * len(column)
    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    values: list[Any] = []
    for chunk in column.chunks:
        words = [*chunk.dictionary.to_pylist(), None]
        values += [words[code] for code in chunk.indices.fill_null(-1).to_pylist()]
    return values
