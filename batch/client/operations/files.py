"""What the bytes of an export become: rows, a table, a file."""

import json
import os
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.arrow_stream import ArrowDecoder
from ..core.effects import Effect, Emit, Flow, Stream, Work, collect, each

if TYPE_CHECKING:
    import pyarrow

FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet", ".arrow": "arrow"}


def rows_of(parts: Stream[bytes]) -> Stream[dict[str, Any]]:
    """Iterate over the rows of an NDJSON export."""
    rest = b""

    def rows(part: bytes) -> Iterator[Emit[dict[str, Any]]]:
        nonlocal rest
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield Emit(json.loads(line))

    yield from each(parts, rows)


def batches_of(parts: Stream[bytes], decoder: ArrowDecoder) -> "Stream[pyarrow.RecordBatch]":
    """Iterate over the batches of an Arrow export. One batch is in memory at a time."""
    yield from each(parts, lambda part: map(Emit, decoder.feed(part)))
    decoder.end()


def table_of(parts: Stream[bytes]) -> "Flow[pyarrow.Table]":
    """Return an Arrow export as a table. One without rows still has its columns."""
    import pyarrow

    decoder = ArrowDecoder()
    batches = yield from collect(batches_of(parts, decoder))
    return pyarrow.Table.from_batches(batches, decoder.schema)


def write_file(path: "str | os.PathLike[str]", format: str | None, ask: Callable[[str], Stream[bytes]]) -> Flow[Path]:
    """Write an export to a file and return its path. `ask` returns its bytes in a format.

    Without `format` it follows from the name. The file appears when it is complete; until then its bytes are in a
    temporary file beside it. Raises ValueError for a name that says no format.
    """
    target = Path(path)
    chosen = format or FORMATS.get(target.suffix.lower())
    if chosen is None:
        raise ValueError(f"path: {target} ends in none of {', '.join(FORMATS)}: give format")
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    file = yield Work(lambda: part.open("xb"))

    def write(data: bytes) -> Generator[Effect, Any, None]:
        yield Work(lambda: file.write(data))

    try:
        yield from each(ask(chosen), write)
        yield Work(file.close)
        yield Work(lambda: part.replace(target))
    finally:
        file.close()
        part.unlink(missing_ok=True)
    return target
