"""Write each format, a page of rows at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from signalsite.foundation.blocks import conform, json_lines

_FORMULA = pa.array(["=", "+", "-", "@", "\t", "\r", "\n"])  # spreadsheets run a cell that begins so (OWASP)
_STRUCTURE = frozenset('",\r\n')
_ROW_GROUP = 10_000  # smaller groups make files larger and slower to read; this is 2 MB of Greeks


class TableWriter(ABC):
    """Write tables to a file, always with the same columns. It does not close the file."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns

    @abstractmethod
    def write(self, table: pa.Table) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Write the end of the format."""


class NdjsonWriter(TableWriter):
    """A JSON object a line."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._file = file

    def write(self, table: pa.Table) -> None:
        self._file.write(json_lines(conform(table, self.columns)))

    def close(self) -> None:
        pass


class CsvWriter(TableWriter):
    """RFC 4180: CRLF, text in quotes, null as an empty field. Text that a spreadsheet would run gets an apostrophe."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        quoted = "needed" if any(_STRUCTURE.intersection(name) for name in columns.names) else "none"
        self._writer = csv.CSVWriter(file, columns, write_options=csv.WriteOptions(eol="\r\n", quoting_header=quoted))

    def write(self, table: pa.Table) -> None:
        self._writer.write(without_formulas(conform(table, self.columns)))

    def close(self) -> None:
        self._writer.close()


class ParquetWriter(TableWriter):
    """Row groups of 10,000 rows, or up to a page more, compressed with zstd."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = parquet.ParquetWriter(file, columns, compression="zstd")
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self._waiting.append(conform(table, self.columns))
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
    """Arrow's IPC stream, with a record batch for each page."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = pa.ipc.new_stream(file, columns)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(conform(table, self.columns))

    def close(self) -> None:
        self._writer.close()


def without_formulas(table: pa.Table) -> pa.Table:
    """Put an apostrophe before text that begins with = + - @, tab, CR or LF. Numbers stay as they are."""
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_string(field.type) and column.null_count < len(column):
            risky = pc.is_in(pc.utf8_slice_codeunits(column, 0, 1), _FORMULA)
            if pc.any(risky).as_py():
                safe = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
                table = table.set_column(index, field, safe)
    return table


WRITERS: dict[str, Callable[[IO[bytes], pa.Schema], TableWriter]] = {
    "ndjson": NdjsonWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
    "arrow": ArrowWriter,
}
"""The writer of each format, by its name."""
