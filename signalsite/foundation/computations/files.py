"""The columns of files: exports in every format, and what commands write with `--out`. Pure."""

from collections import Counter
from collections.abc import Sequence

from signalsite.foundation.computations.columns import Column
from signalsite.foundation.computations.contract import Computation, Params
from signalsite.foundation.errors import InvalidInput


def choose_columns(computation: Computation, params: Params, names: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of these names, in the order named; without names, all that answers to `params` have.

    Raises InvalidInput for a name that no column has, or one given twice.
    """
    columns = {column.name: column for column in computation.file_columns_for(params)}
    for name, count in Counter(names).items():
        if name not in columns:
            if parameter := computation.picked.get(name):
                raise InvalidInput("fields", f"these answers have no {name!r}: {parameter} does not name it")
            known = ", ".join(columns)
            raise InvalidInput("fields", f"{computation.name} has no field {name[:64]!r}; it has {known}")
        if count > 1:
            raise InvalidInput("fields", f"{name!r} is named {count} times")
    return tuple(columns[name] for name in names) if names else computation.file_columns_for(params)


def split_names(text: str) -> list[str]:
    """Split the names of columns, as a query or an option gives them: a,b,c."""
    return [name.strip() for name in text.split(",")]
