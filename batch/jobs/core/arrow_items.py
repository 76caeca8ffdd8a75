"""Read a submission from an Arrow IPC stream: the head in the schema's metadata, the items in the columns.

A hostile sender controls every length and offset. So a batch is used only after Arrow has validated all of it, and
compressed buffers, which can unpack to any size, are refused.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from batch.jobs.core.arrow_legs import LEGS, check_field, check_legs, plain_legs, split_by_legs, with_text_dates
from batch.jobs.core.slices import LARGEST_HEAD, Lists, UnreadableBody
from signalsite.foundation.computations.columns import INSTRUMENT, ITEM_KINDS
from signalsite.foundation.computations.option_fields import EITHER, NAMES, REQUIRED, TEXTS
from signalsite.foundation.errors import InvalidInput

HEAD = b"submission"
ROWS_AT_ONCE = 4096
MOST_COLUMNS = 100
_KEYS = {each.column.name for each in ITEM_KINDS}
_TERMS = NAMES - _KEYS
_TEXTS = (*_KEYS, "custom_id", *TEXTS)
_DATE = "expiry"
_BROKEN = (pa.ArrowException, OSError, ValueError, struct.error)


@dataclass(frozen=True)
class ArrowItems(Lists):
    body: pa.Buffer
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[Any]]:
        for batch in _batches(self.body)[1]:
            for start in range(0, len(batch), ROWS_AT_ONCE):
                for part in _parts(batch.slice(start, ROWS_AT_ONCE)):
                    yield [_item(row) for row in _with_texts(part).to_pylist()]


def _item(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row has, as JSON would have it."""
    found = {name: value for name, value in row.items() if value is not None}
    return {**found, LEGS: plain_legs(found[LEGS])} if LEGS in found else found


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Return the batch, or portfolios by the number of their legs."""
    return split_by_legs(batch) if LEGS in batch.schema.names else iter((batch,))


def _with_texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with dates as text, as JSON has them. Arrow's dates reach years that Python's do not."""
    if LEGS in batch.schema.names:
        batch = with_text_dates(batch)
    at = batch.schema.get_field_index(_DATE)
    if at < 0 or not pa.types.is_date32(batch.schema.field(at).type):
        return batch
    return batch.set_column(at, _DATE, batch.column(at).cast(pa.string()))


def read_arrow(body: pa.Buffer) -> Any:
    """Return the submission, with ArrowItems as its `items`. Raises InvalidInput."""
    schema, batches = _batches(body)
    head = (schema.metadata or {}).get(HEAD, b"{}")
    if len(head) > LARGEST_HEAD:
        raise UnreadableBody(f"the schema's metadata {HEAD.decode()!r} may have {LARGEST_HEAD} bytes")
    try:
        data = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise UnreadableBody(f"the schema's metadata {HEAD.decode()!r} is not JSON: {error}") from error
    if not isinstance(data, dict) or "items" in data:
        raise UnreadableBody(f"the schema's metadata {HEAD.decode()!r} is an object: the submission without its items")
    count = sum(len(batch) for batch in batches)
    return data | {"items": ArrowItems(body, count)} if count else data


def _batches(body: pa.Buffer) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    try:
        messages = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
        message = messages.read_next_message()
        if message.type != "schema":  # read_schema does not check, and would read memory outside the body
            raise UnreadableBody(f"an Arrow stream begins with its schema, not with a message of type {message.type}")
        schema = pa.ipc.read_schema(message)
        _check_columns(schema)
    except InvalidInput:
        raise
    except (*_BROKEN, StopIteration) as error:
        raise UnreadableBody(f"not an Arrow stream: {error}") from error
    return schema, _checked(messages, schema)


def _check_columns(schema: pa.Schema) -> None:
    if len(schema) > MOST_COLUMNS:
        raise InvalidInput("items", f"an item has at most {MOST_COLUMNS} columns, not {len(schema)}")
    names = set(schema.names)
    if len(names) < len(schema) or not (LEGS in names or names.issuperset(REQUIRED) or _has_key(names)):
        raise InvalidInput(
            "items", f"the columns are {EITHER}, or legs, and custom_id and overrides, each once at most"
        )
    for field in schema:
        if field.name == LEGS:
            check_legs(field.type)
        else:
            check_field(f"items.{field.name[:50]}", field.type, text=field.name in _TEXTS, date=field.name == _DATE)


def _has_key(names: set[str]) -> bool:
    """Return whether these columns name items by their keys: with other terms, an underlying is one of them."""
    return INSTRUMENT.column.name in names or (bool(names & _KEYS) and not names & _TERMS)


def _checked(messages: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        for message in messages:
            if message.type != "record batch" or _is_compressed(memoryview(message.metadata)):
                raise UnreadableBody("an Arrow stream has record batches, without compressed buffers; gzip all of it")
            batch = pa.ipc.read_record_batch(message, schema)
            batch.validate(full=True)
            yield batch
    except InvalidInput:
        raise
    except _BROKEN as error:
        raise UnreadableBody(f"not an Arrow stream: {error}") from error


def _is_compressed(metadata: memoryview) -> bool:
    """Return whether a record batch is compressed (format/Message.fbs). Arrow knows, but has no API for it."""
    message = struct.unpack_from("<I", metadata)[0]
    header = _field(metadata, message, 2)
    batch = header + struct.unpack_from("<I", metadata, header)[0]
    return _field(metadata, batch, 3) != 0


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Return the offset of a field in a flatbuffers table, or 0 if the table lacks it."""
    layout = table - struct.unpack_from("<i", metadata, table)[0]
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", metadata, layout)[0]:
        return 0
    offset = struct.unpack_from("<H", metadata, layout + at)[0]
    return table + offset if offset else 0
