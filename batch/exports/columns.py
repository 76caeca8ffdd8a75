"""The columns of a kind's answers as an Arrow schema."""

import pyarrow as pa

from batch.kinds.base import IDENTITY, Kind

_ARROW = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}


def schema(kind: Kind) -> pa.Schema:
    """What a table of this kind's answers holds: it follows from the kind alone, never from the rows at hand."""
    return pa.schema([(name, _ARROW[type_]) for name, type_ in {**IDENTITY, **kind.fields}.items()])
