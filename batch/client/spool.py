"""Submissions in files: items that come one after the other are never all in memory, and can be sent again."""

import math
from collections.abc import Iterable, Iterator, Mapping
from tempfile import TemporaryFile
from typing import Any, Protocol

from .core.service import NDJSON, as_json

PART_BYTES = 256 << 10
ROWS_AT_ONCE = 10_000
ARROW = "application/vnd.apache.arrow.stream"


class ArrowTable(Protocol):
    """Exports Arrow's C stream: a pyarrow Table or RecordBatchReader, a pandas or polars DataFrame."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


class Spool:
    """A temporary file, until it is closed."""

    media_type: str

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed with us
        self.size = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        return iter(lambda: self._file.read(PART_BYTES), b"")


class Lines(Spool):
    """A submission as NDJSON: its fields in the first line, then a line for each item."""

    media_type = NDJSON

    def __init__(self, head: Mapping[str, Any], items: Iterable[Any]) -> None:
        super().__init__()
        try:
            self._file.write(as_json(head).encode() + b"\n")
            self._file.writelines(as_json(item).encode() + b"\n" for item in _checked(items))
            self.size = self._file.tell()
        except BaseException:
            self._file.close()
            raise


class Columns(Spool):
    """A submission as an Arrow stream: its fields in the schema's metadata, a column for each field of an item."""

    media_type = ARROW

    def __init__(self, head: Mapping[str, Any], table: ArrowTable) -> None:
        import pyarrow

        super().__init__()
        try:
            reader = pyarrow.RecordBatchReader.from_stream(table)
            names = [name for name in reader.schema.names if not name.startswith("__index_level_")]  # pandas' index
            fields = [pyarrow.field(name, _sent_as(reader.schema.field(name).type)) for name in names]
            schema = pyarrow.schema(fields, metadata={"submission": as_json(head)})
            with pyarrow.ipc.new_stream(self._file, schema) as writer:
                rows = 0
                for batch in reader:
                    for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                        part = batch.slice(start, ROWS_AT_ONCE)
                        _check_numbers(part, rows + start)
                        columns = [_cast(part.column(field.name), field.type) for field in fields]
                        writer.write_batch(pyarrow.RecordBatch.from_arrays(columns, schema=schema))
                    rows += batch.num_rows
            self.size = self._file.tell()
        except BaseException:
            self._file.close()
            raise


def _sent_as(type_: Any) -> Any:
    """Texts of any kind, dictionaries of them too, as strings. The service judges all other types."""
    import pyarrow
    import pyarrow.types as types

    texts = (types.is_string, types.is_large_string, types.is_string_view)
    value = type_.value_type if types.is_dictionary(type_) else type_
    return pyarrow.large_string() if any(test(value) for test in texts) else value


def _cast(column: Any, type_: Any) -> Any:
    if hasattr(column, "dictionary"):  # pyarrow unpacks not all of them by a cast
        return column.dictionary.cast(type_).take(column.indices)
    return column.cast(type_)


def _check_numbers(batch: Any, first: int) -> None:
    import pyarrow.compute as compute
    import pyarrow.types as types

    for field, column in zip(batch.schema, batch.columns, strict=True):
        if not types.is_floating(field.type):
            continue
        wrong = compute.index(compute.is_finite(column), False).as_py()
        if wrong >= 0:
            raise _not_json(first + wrong, field.name, column[wrong].as_py())


def _checked(items: Iterable[Any]) -> Iterator[Any]:
    for place, item in enumerate(items):
        if isinstance(item, Mapping):
            for name, value in item.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise _not_json(place, name, value)
        yield item


def _not_json(place: int, name: str, value: float) -> ValueError:
    return ValueError(f"items[{place}].{name} is {value}, which JSON lacks: None is absent")
