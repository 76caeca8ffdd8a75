"""What writes each format, a page of rows at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from signalsite.foundation.blocks import conform, json_lines

_FORMULA = r"^[=+\-@\t\r\n]"  # what spreadsheets take for a formula at the beginning of a cell (OWASP)
_ROW_GROUP = 10_000  # small groups cost Parquet readers and size; this is 2 MB of Greeks


class TableWriter(ABC):
    """Writes tables to a file that stays open: as the columns that it was made for, whatever a table lacks or has."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns

    @abstractmethod
    def write(self, table: pa.Table) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Write what the format ends with."""


class NdjsonWriter(TableWriter):
    """The rows as in the JSON pages."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self._file = file

    def write(self, table: pa.Table) -> None:
        self._file.write(json_lines(table))

    def close(self) -> None:
        pass


class CsvWriter(TableWriter):
    """RFC 4180: CRLF, text quoted, null as nothing. Text that a spreadsheet would run gets an apostrophe before it."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = csv.CSVWriter(file, columns, write_options=csv.WriteOptions(eol="\r\n", quoting_header="none"))

    def write(self, table: pa.Table) -> None:
        self._writer.write(without_formulas(conform(table, self.columns)))

    def close(self) -> None:
        self._writer.close()


class ParquetWriter(TableWriter):
    """Row groups of 10,000 or a page more, compressed with zstd."""

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
    """Arrow's IPC stream: a record batch a page."""

    def __init__(self, file: IO[bytes], columns: pa.Schema):
        self.columns = columns
        self._writer = pa.ipc.new_stream(file, columns)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(conform(table, self.columns))

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


WRITERS: dict[str, Callable[[IO[bytes], pa.Schema], TableWriter]] = {
    "ndjson": NdjsonWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
    "arrow": ArrowWriter,
}
"""By the name of the format."""
