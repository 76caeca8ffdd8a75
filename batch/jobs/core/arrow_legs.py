"""Legs of portfolios in an Arrow column: a list of structs, whose fields are those of a leg.

A row may have few legs or thousands, so rows become Python objects by the number of their legs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from signalsite.foundation.computations.columns import INSTRUMENT
from signalsite.foundation.computations.contract import MOST_LEGS
from signalsite.foundation.computations.option_fields import TEXTS
from signalsite.foundation.errors import InvalidInput

LEGS = "legs"
LEGS_AT_ONCE = 20_000
MOST_FIELDS = 50
_TEXTS = (INSTRUMENT.column.name, *TEXTS)
_DATE = "expiry"
_FIELD = f"items.{LEGS}"


def check_legs(kind: pa.DataType) -> None:
    """Raise InvalidInput for a type whose values are no legs. A field without a width could be of any length."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        raise InvalidInput(_FIELD, f"the column must be a list of structs, not {kind}"[:200])
    fields = list(kind.value_type)
    names = {field.name for field in fields}
    if not 0 < len(names) == len(fields) <= MOST_FIELDS:
        raise InvalidInput(_FIELD, f"a leg has 1 to {MOST_FIELDS} fields, each once at most")
    for field in fields:
        check_field(f"{_FIELD}.{field.name[:50]}", field.type, text=field.name in _TEXTS, date=field.name == _DATE)


def check_field(name: str, kind: pa.DataType, *, text: bool, date: bool) -> None:
    """Raise InvalidInput for a type that cannot be read. `date`: the column may have dates."""
    if date and pa.types.is_date32(kind):
        return
    if text and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InvalidInput(name, f"the column must be string or large_string, not {kind}"[:200])
    if not text and not (pa.types.is_float32(kind) or pa.types.is_float64(kind) or pa.types.is_integer(kind)):
        raise InvalidInput(name, f"the column must be of numbers, not {kind}"[:200])


def split_by_legs(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield slices of at most LEGS_AT_ONCE legs, or of one row. Raises InvalidInput for a row with too many."""
    lengths = pc.list_value_length(batch.column(LEGS)).fill_null(0).to_numpy(zero_copy_only=False)
    if len(lengths) and int(lengths.max()) > MOST_LEGS:
        raise InvalidInput(_FIELD, f"a portfolio has 1 to {MOST_LEGS} legs, not {int(lengths.max())}")
    begins = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    first = 0
    while first < len(batch):
        end = int(np.searchsorted(begins, begins[first] + LEGS_AT_ONCE, side="right")) - 1
        end = max(end, first + 1)
        yield batch.slice(first, end - first)
        first = end


def with_text_dates(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with the dates of legs as text."""
    kind = batch.schema.field(LEGS).type
    fields = list(kind.value_type)
    if not any(pa.types.is_date32(field.type) for field in fields):
        return batch
    struct = pa.struct([pa.field(f.name, pa.string() if pa.types.is_date32(f.type) else f.type) for f in fields])
    wanted = pa.large_list(struct) if pa.types.is_large_list(kind) else pa.list_(struct)
    return batch.set_column(batch.schema.get_field_index(LEGS), LEGS, batch.column(LEGS).cast(wanted))


def plain_legs(legs: Any) -> Any:
    """Return legs without the fields that they lack."""
    return [
        {name: value for name, value in leg.items() if value is not None} if isinstance(leg, Mapping) else leg
        for leg in legs
    ]
