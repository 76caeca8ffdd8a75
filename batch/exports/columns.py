"""The columns of a kind's answers as an Arrow schema, and stored answers as tables of it."""

import pyarrow as pa
from pyarrow import json

from batch.kinds.base import IDENTITY, Kind

_ARROW = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}


def schema(kind: Kind) -> pa.Schema:
    """What a table of this kind's answers holds: it follows from the kind alone, never from the rows at hand."""
    return pa.schema([(name, _ARROW[type_]) for name, type_ in {**IDENTITY, **kind.fields}.items()])


def to_table(lines: bytes, columns: pa.Schema) -> pa.Table:
    """JSON objects, one a line, as a table; a field that is absent is null, one that is no column is left out.

    Parsed by Arrow outside the interpreter lock: other threads go on meanwhile.
    """
    if not lines:
        return columns.empty_table()
    return json.read_json(
        pa.BufferReader(lines),
        json.ReadOptions(use_threads=False, block_size=len(lines)),
        json.ParseOptions(explicit_schema=columns, unexpected_field_behavior="ignore"),
    ).select(columns.names)
