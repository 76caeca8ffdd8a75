"""The Arrow schema of a computation's answers."""

import pyarrow as pa

from signalsite.foundation.computations.contract import IDENTITY, Computation

_ARROW = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}


def schema(computation: Computation) -> pa.Schema:
    """Return the schema of its answers. It depends only on the declaration, never on the rows."""
    columns = (*IDENTITY, *computation.answer_columns)
    return pa.schema([(column.name, _ARROW[column.type]) for column in columns])
