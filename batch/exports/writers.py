"""What writes each format, a page of rows at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from batch.exports.columns import to_table

_FORMULA = r"^[=+\-@\t\r\n]"  # what spreadsheets take for a formula at the beginning of a cell (OWASP)
_ROW_GROUP = 10_000  # small groups cost Parquet readers and size; this is 2 MB of Greeks


class RowWriter(ABC):
    """Writes rows to a file that stays open."""

    @abstractmethod
    def write_lines(self, lines: bytes) -> None:
        """Rows as stored: JSON objects, each with a newline after it."""

    @abstractmethod
    def close(self) -> None:
        """Write what the format ends with."""


class NdjsonWriter(RowWriter):
    """The stored answers verbatim."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self._file = file

    def write_lines(self, lines: bytes) -> None:
        self._file.write(lines)

    def close(self) -> None:
        pass


class TableWriter(RowWriter):
    """Writes columns; the command line hands it tables, an export the stored rows."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns

    @abstractmethod
    def write(self, table: pa.Table) -> None:
        """Rows as a table of these columns."""

    def write_lines(self, lines: bytes) -> None:
        self.write(to_table(lines, self.columns))


class CsvWriter(TableWriter):
    """RFC 4180: CRLF, text quoted, null as nothing. Text that a spreadsheet would run gets an apostrophe before it."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = csv.CSVWriter(file, columns, write_options=csv.WriteOptions(eol="\r\n", quoting_header="none"))

    def write(self, table: pa.Table) -> None:
        self._writer.write(without_formulas(table))

    def close(self) -> None:
        self._writer.close()


class ParquetWriter(TableWriter):
    """Row groups of 10,000 or a page more, compressed with zstd."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = parquet.ParquetWriter(file, columns, compression="zstd")
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table)
        if sum(each.num_rows for each in self._waiting) >= _ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        group, self._waiting = self._waiting, []
        if group:
            self._writer.write_table(pa.concat_tables(group))

    def close(self) -> None:
        self._write_group()
        self._writer.close()


class ArrowWriter(TableWriter):
    """Arrow's IPC stream: a record batch a page."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = pa.ipc.new_stream(file, columns)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


def without_formulas(table: pa.Table) -> pa.Table:
    """Text that begins with = + - @, tab, CR or LF gets an apostrophe before it; numbers, negative ones too, stay."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(index)
            risky = pc.match_substring_regex(column, _FORMULA)
            if pc.any(risky).as_py():
                safe = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
                table = table.set_column(index, field, safe)
    return table


WRITERS: dict[str, Callable[[IO[bytes], pa.Schema], RowWriter]] = {
    "ndjson": NdjsonWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
    "arrow": ArrowWriter,
}
"""By the name of the format."""
