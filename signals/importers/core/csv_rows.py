"""Reads delimited text in blocks: any size of file in bounded memory, and a bad line fails alone."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv

from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import NotATable, RawTable, Rejects, Wanted, find_columns, numbered
from signals.importers.core.text_blocks import MAX_LINE, TOO_LONG, TextBlocks

MAX_COLUMNS = 2_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def csv_tables(chunks: Iterable[bytes], mapping: Mapping) -> Iterator[RawTable]:
    """Read the bytes of a file in pieces of any size. Raises NotATable if it lacks the mapping's columns."""
    lines = TextBlocks(iter(chunks))
    header: _Header | None = None
    for number, block in lines.blocks():
        if header is None:
            if lines.rejects.counts:
                raise NotATable(f"the first line is longer than {MAX_LINE >> 20} MiB: this is no table")
            if block.startswith(_UTF16):
                raise NotATable("the file is UTF-16: save it as UTF-8")
            if block.startswith(b"\xef\xbb\xbf"):
                block = block[3:]
            header = _read_header(block, mapping)
            number, block = number + header.lines, header.after(block)
        if block:
            yield _read_block(block, number, header, mapping, lines)
    if header is None:
        raise NotATable("the file is empty")


@dataclass(frozen=True)
class _Header:
    names: list[str]
    wanted: Wanted
    shared: dict[str, str]
    lines: int  # before the first row
    notes: tuple[str, ...]

    def after(self, block: bytes) -> bytes:
        for _ in range(self.lines):
            block = block[block.find(b"\n") + 1 or len(block) :]
        return block


def _read_header(block: bytes, mapping: Mapping) -> _Header:
    """Find the header: the first line that is not blank, or one of the next ones if the mapping has a preamble."""
    if mapping.names:
        names = numbered(mapping.names)
        line = _text(block.partition(b"\n")[0][:MAX_LINE])
        said = _split(line, mapping.delimiter)[0].lower() == names[0].lower()  # it has a header all the same
        return _Header(names, find_columns(mapping, names), {}, int(said), ())
    lines = block.split(b"\n", 200 + mapping.preamble_lines)[: 200 + mapping.preamble_lines]
    text = [_text(line[:MAX_LINE]) for line in lines]
    first = next((place for place, line in enumerate(text) if line.strip(" \t\r,")), None)
    if first is None:
        raise NotATable("the file is empty" if not block.strip() else "the file begins with 200 blank lines")
    failure: NotATable | None = None
    for place in range(first, min(first + mapping.preamble_lines + 1, len(text))):
        fields = _split(text[place], mapping.delimiter)
        while fields and not fields[-1]:
            fields.pop()
        names = numbered(fields)
        shared = _preamble("\n".join(text[first:place]), mapping)
        try:
            wanted = find_columns(mapping, names, [*shared, *mapping.constants])
        except NotATable as error:
            failure = failure or error
            if mapping.preamble_lines:
                failure = NotATable(f"no header in the first {mapping.preamble_lines + 1} lines: {error}")
            continue
        notes = []
        if place > first:
            notes.append(f"{place - first} lines before the header gave {', '.join(shared) or 'nothing'}")
        if doubled := [name for name in fields if name and f"{name}#2" in names]:
            notes.append(
                f"{len(set(doubled))} column names occur twice ({', '.join(dict.fromkeys(doubled))}): taken in order"
            )
        return _Header(_whole_line(text[place], mapping), wanted, shared, place + 1, tuple(notes))
    raise failure or NotATable("the file has no header")


def _whole_line(line: str, mapping: Mapping) -> list[str]:
    names = numbered(_split(line, mapping.delimiter))
    if len(names) > MAX_COLUMNS:
        raise NotATable(f"the header has {len(names):,} columns, more than {MAX_COLUMNS:,}")
    return names


def _preamble(text: str, mapping: Mapping) -> dict[str, str]:
    found: dict[str, str] = {}
    for pattern in mapping.preamble:
        if match := re.search(pattern, text):
            found |= {name: value.strip() for name, value in match.groupdict().items() if value}
    return found


def _split(line: str, delimiter: str) -> list[str]:
    """Split one line into fields, as the rows are split."""
    line = line.strip("\r\n")
    if '"' not in line:
        return [name.strip() for name in line.split(delimiter)]
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise NotATable(f"the header cannot be split into columns: {error}") from None


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _read_block(block: bytes, number: int, header: _Header, mapping: Mapping, lines: TextBlocks) -> RawTable:
    rejects, lines.rejects = lines.rejects, Rejects()
    if b'"' in block or _longest(block) > MAX_LINE:
        block = _without_bad_lines(block, number, rejects)
    encoding = "utf8"
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:  # an exchange's files are ASCII but for stray bytes in names
        encoding = "latin-1"
    wrong: list[int] = []

    def note(row: pa.csv.InvalidRow) -> str:
        wrong.append(row.number)
        if row.text.strip(mapping.delimiter + " \t\r"):
            detail = f"{row.actual_columns}, not {row.expected_columns}"
            rejects.add(number + row.number - 1, "wrong number of fields", detail, row.text)
        return "skip"

    # A trailing empty column is common, and its name too: read what the header names.
    columns = header.names
    outer = [_outer(column, columns) for column in header.wanted.columns]
    table = pa.csv.read_csv(
        io.BytesIO(block),
        read_options=pa.csv.ReadOptions(
            column_names=columns, use_threads=False, encoding=encoding, block_size=max(len(block), 1)
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=mapping.delimiter, invalid_row_handler=note, ignore_empty_lines=False
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=list(dict.fromkeys(outer)),
            strings_can_be_null=False,
        ),
    )
    rows = number + np.setdiff1d(np.arange(len(table) + len(wrong)), np.array(wrong, dtype=np.int64) - 1)
    found = {name: _one(table.column(name)) for name in table.column_names}
    blank = np.ones(len(table), dtype=bool)
    for column in found.values():
        blank &= np.asarray(pa.compute.equal(pa.compute.utf8_trim_whitespace(column), ""))
    if blank.any():
        keep = pa.array(~blank)
        found = {name: column.filter(keep) for name, column in found.items()}
        rows = rows[~blank]
    return RawTable(
        columns=found,
        row=rows,
        names=columns,
        wanted=header.wanted,
        rejects=rejects,
        shared=header.shared,
        notes=header.notes,
        read=len(rows) + sum(rejects.counts.values()),
    )


def _outer(column: str, names: list[str]) -> str:
    return column if column in names else column.partition(".")[0]


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _longest(block: bytes) -> int:
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    return int(np.diff(ends, prepend=-1, append=len(block)).max())


def _without_bad_lines(block: bytes, number: int, rejects: Rejects) -> bytes:
    """Blank lines that are too long, and those whose quotes do not pair: one such line would swallow the next."""
    lines = block.split(b"\n")
    bad = False
    for place, line in enumerate(lines):
        if len(line) > MAX_LINE:
            rejects.add(number + place, TOO_LONG, f"{len(line):,} bytes", _text(line[:200]))
        elif line.count(b'"') % 2:
            rejects.add(number + place, "quotes do not pair", "", _text(line))
        else:
            continue
        lines[place], bad = b"", True
    return b"\n".join(lines) if bad else block
