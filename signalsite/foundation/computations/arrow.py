"""The columns of a computation's answers as an Arrow schema."""

import pyarrow as pa

from signalsite.foundation.computations.contract import IDENTITY, Computation

_ARROW = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}


def schema(computation: Computation) -> pa.Schema:
    """What a table of its answers holds: it follows from the declaration alone, never from the rows at hand."""
    columns = (*IDENTITY, *computation.answer_columns)
    return pa.schema([(column.name, _ARROW[column.type]) for column in columns])
