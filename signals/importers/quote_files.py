"""Opens files of quotes: plain, gzip or zip; CSV, JSON, JSON lines or Parquet. The first bytes decide, not the name."""

import gzip
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from signals.importers.core.csv_rows import csv_tables
from signals.importers.core.json_rows import MAX_DOCUMENT, document_table, line_tables
from signals.importers.core.mapping import Mapping
from signals.importers.core.quote_table import QuoteTable, quote_table
from signals.importers.core.raw_table import NotATable, RawTable, Rejected, Rejects, find_columns
from signals.importers.files import DAMAGED, MAX_MEMBERS, MAX_WHOLE, UnreadableFile

CHUNK = 1 << 20
_DATE = re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)", re.ASCII)
ROWS = 100_000
Progress = Callable[[int, int], None]  # bytes read of the file, and its size


def _no_progress(done: int, total: int) -> None:
    """Nobody looks."""


def read_quote_file(
    path: Path, mapping: Mapping, progress: Progress = lambda done, total: None
) -> Iterator[QuoteTable]:
    """Yield the quotes of a file in pieces. Raises UnreadableFile, or NotATable if columns are missing."""
    for raw in read_raw_tables(path, mapping, progress):
        yield quote_table(raw, mapping)


@dataclass(frozen=True)
class QuoteFrame:
    """A whole file in memory. `table` is `QuoteTable.frame`; `counts` has the number of rejected rows by reason."""

    table: pd.DataFrame
    rejects: Rejects
    rows_read: int
    notes: list[str]

    @property
    def rejected(self) -> list[Rejected]:
        return self.rejects.rows

    @property
    def counts(self) -> Counter[str]:
        return self.rejects.counts


def read_quote_frame(path: Path, mapping: Mapping) -> QuoteFrame:
    """Read a whole file, which must fit in memory."""
    tables = list(read_quote_file(path, mapping))
    rejects, facts = Rejects(), Counter[str]()
    for table in tables:
        rejects.extend(table.rejects)
        facts += table.facts
    notes = [*(tables[0].notes if tables else ()), *(f"{count:,} {what}" for what, count in facts.items())]
    frame = pd.concat([table.frame() for table in tables], ignore_index=True) if tables else pd.DataFrame()
    return QuoteFrame(frame, rejects, sum(table.read for table in tables), notes)


def read_raw_tables(path: Path, mapping: Mapping, progress: Progress = lambda done, total: None) -> Iterator[RawTable]:
    """Yield the rows of a file in pieces, before their columns have a meaning."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic[:2] == b"PK":
                yield from _zip_tables(file, path.name, mapping, lambda: progress(file.tell(), size))
            else:
                with ExitStack() as stack:
                    whole = stack.enter_context(gzip.open(file)) if magic[:2] == b"\x1f\x8b" else file
                    tables = _tables(cast(BinaryIO, whole), mapping, lambda: progress(file.tell(), size))
                    yield from _dated(tables, mapping, _date_in(path.name))
        progress(size, size)
    except (*DAMAGED, pa.ArrowException) as error:
        raise UnreadableFile(f"truncated or damaged ({error})") from error
    except OSError as error:
        raise UnreadableFile(error.strerror or str(error)) from error


def _date_in(name: str) -> str:
    found = _DATE.search(name)
    return found[0] if found else ""


def _dated(tables: Iterator[RawTable], mapping: Mapping, day: str) -> Iterator[RawTable]:
    """Give the rows the date of the file's name, where the mapping says so."""
    if mapping.name_dates and not day:
        raise NotATable("the file's name has no date as YYYYMMDD, which its rows lack")
    for table in tables:
        yield replace(table, shared={**table.shared, "date": day}) if mapping.name_dates else table


def _zip_tables(file: BinaryIO, name: str, mapping: Mapping, step: Callable[[], None]) -> Iterator[RawTable]:
    """Read the members one after the other. Their names are only labels: nothing is written to disk."""
    with zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if not members:
            raise NotATable("the zip is empty")
        if len(members) > MAX_MEMBERS:
            raise NotATable(f"the zip holds {len(members):,} files, more than {MAX_MEMBERS:,}")
        seen: dict[tuple[int, int], str] = {}
        notes = [f"the zip holds {len(members)} files"] if len(members) > 1 else []
        day = _date_in(name) if mapping.name_dates else ""
        for info in list(members) if day else ():
            if (own := _date_in(info.filename)) not in ("", day):
                members.remove(info)
                notes.append(f"{info.filename[-80:]} in the zip is left out: its name says {own}, the zip's {day}")
        if not members:
            raise NotATable(f"no file in the zip is of {day}")
        for info in members:
            label = Path(info.filename.replace("\\", "/")).name[:80]
            if (first := seen.setdefault((info.CRC, info.file_size), label)) is not label:
                notes.append(f"{label} in the zip is left out: it has the same content as {first}")
        for info in members:
            if seen.pop((info.CRC, info.file_size), None) is None:
                continue
            with archive.open(info) as inner:
                tables = _tables(cast(BinaryIO, inner), mapping, step)
                for table in _dated(tables, mapping, day or _date_in(info.filename)):
                    yield replace(table, notes=(*notes, *table.notes))


def _tables(file: BinaryIO, mapping: Mapping, step: Callable[[], None]) -> Iterator[RawTable]:
    start = file.read(CHUNK)
    if not start:
        raise NotATable("the file is empty")
    if start.startswith(b"PAR1"):
        yield from _parquet_tables(file, start, mapping, step)
        return
    chunks = _chunks(file, start, step)
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first in (b"{", b"["):
        if first == b"{" and _is_json_lines(start):
            yield from line_tables(chunks, mapping)
        else:
            yield document_table(_document(chunks), mapping)
    else:
        yield from csv_tables(chunks, mapping)


def _chunks(file: BinaryIO, start: bytes, step: Callable[[], None]) -> Iterator[bytes]:
    chunk = start
    while chunk:
        yield chunk
        step()
        chunk = file.read(CHUNK)


def _is_json_lines(start: bytes) -> bool:
    """Return whether the first line is a whole object and another follows."""
    line, _, rest = start.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")
    return line.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"


def _document(chunks: Iterator[bytes]) -> str:
    found = io.BytesIO()
    for chunk in chunks:
        found.write(chunk)
        if found.tell() > MAX_DOCUMENT:
            raise NotATable(f"a JSON document has at most {MAX_DOCUMENT >> 20} MiB; write more as JSON lines")
    try:
        return found.getvalue().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotATable(f"the JSON is not UTF-8: {error.reason} at byte {error.start:,}") from None


@contextmanager
def _seekable(file: BinaryIO, start: bytes) -> Iterator[BinaryIO]:
    if isinstance(file, io.BufferedReader):
        file.seek(0)
        yield file
        return
    # Inside gzip or zip.
    found = io.BytesIO(start)
    found.seek(0, io.SEEK_END)
    while chunk := file.read(CHUNK):
        found.write(chunk)
        if found.tell() > MAX_WHOLE:
            raise NotATable(f"unpack the file first: its Parquet has more than {MAX_WHOLE >> 20} MiB")
    found.seek(0)
    yield found


def _parquet_tables(file: BinaryIO, start: bytes, mapping: Mapping, step: Callable[[], None]) -> Iterator[RawTable]:
    with _seekable(file, start) as source:
        parquet = pq.ParquetFile(source)
        names = parquet.schema_arrow.names
        wanted = find_columns(mapping, names, [*mapping.constants])
        row = 1
        outer = list(dict.fromkeys(name if name in names else name.partition(".")[0] for name in wanted.columns))
        for batch in parquet.iter_batches(batch_size=ROWS, columns=outer):
            plain = {name: _plain(batch.column(name)) for name in batch.schema.names}
            yield RawTable(
                columns={name: column for name, (column, _) in plain.items()},
                row=np.arange(row, row + len(batch), dtype=np.int64),
                names=names,
                wanted=wanted,
                iso=frozenset(name for name, (_, iso) in plain.items() if iso),
                read=len(batch),
            )
            row += len(batch)
            step()


def _plain(column: pa.Array) -> tuple[pa.Array, bool]:
    """Return a column as numbers or text, and whether it held dates or moments, which are ISO text then."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        moments = column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
        return pa.compute.strftime(moments, format=f"%Y-%m-%dT%H:%M:%S{zone}"), True
    if pa.types.is_date(kind):
        return pa.compute.strftime(column.cast(pa.timestamp("s")), format="%Y-%m-%d"), True
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False), False
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string()), False
    if pa.types.is_string(kind):
        return column, False
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string()), False
    return pa.array([None if v is None else str(v) for v in column.to_pylist()], type=pa.string()), False
