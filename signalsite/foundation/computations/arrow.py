"""The Arrow schema of files."""

from collections.abc import Iterable

import pyarrow as pa

from signalsite.foundation.computations.columns import Column

_ARROW = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}


def schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of these columns. It depends only on their declaration, never on the rows."""
    return pa.schema([(column.name, _ARROW[column.type]) for column in columns])
