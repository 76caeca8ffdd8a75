"""Stream a job's results as bytes. Between two pages it holds no cursor, transaction or connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from django.db import close_old_connections

from batch.exports.codings import Outlet, encoder
from batch.exports.formats import Format
from batch.exports.writers import WRITERS
from batch.jobs.core.answers import rows_of_status
from batch.jobs.core.key_columns import key_columns
from batch.jobs.models import Job
from batch.jobs.results import read_layout, read_part
from signalsite.foundation.blocks import conform
from signalsite.foundation.computations.arrow import schema
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import find
from signalsite.foundation.errors import DataAccessError

THREADS = 4  # limits the connections and cores of all exports in the process; they take turns by page

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="export")


class ResultsGone(DataAccessError):
    """Answers of the job were deleted during the export."""


def pages(job: Job, status: str = "", *, rows_per_page: int = 5000) -> Iterator[pa.Table]:
    """Yield the answers of an ended job, at most `rows_per_page` rows at a time.

    Raises ResultsGone if rows disappear meanwhile: a stream that simply ended would look complete.
    """
    layout = read_layout(job.pk)
    expected, read = layout.count(status), 0
    for part in layout.parts:
        if not part.count(status):
            continue
        table = read_part(job.pk, part)
        close_old_connections()  # back to the pool, because the reader may be slow
        if table is None:
            raise ResultsGone(f"job {job.pk}: {read} of {expected} results, the others were deleted")
        if status:
            table = table.take(pa.array(rows_of_status(table, status)))
        for begin in range(0, len(table), rows_per_page):
            page = table.slice(begin, rows_per_page)
            read += len(page)
            yield page


def with_key_columns(table: pa.Table, computation: Computation, wanted: Sequence[Column]) -> pa.Table:
    """Append the columns of the keys, if any of them is wanted."""
    if (key := computation.item_kind.column.name) not in table.column_names:  # its items cannot be read
        table = table.append_column(key, pa.nulls(len(table), pa.string()))
    names = [column.name for column in computation.key_columns]
    if {column.name for column in wanted}.isdisjoint(names):
        return table
    for name, values in zip(names, key_columns(table.column(key)), strict=True):
        table = table.append_column(name, values)
    return table


def table_of(job: Job, columns: Sequence[Column]) -> pa.Table:
    """Return these columns of all answers of an ended job."""
    wanted = schema(columns)
    computation = find(job.kind)
    found = [conform(with_key_columns(page, computation, columns), wanted) for page in pages(job)]
    return pa.concat_tables(found) if found else wanted.empty_table()


def encoded(job: Job, format_: Format, coding: str, columns: Sequence[Column], status: str = "") -> Iterator[bytes]:
    """Yield the export's bytes, a part for each page. A page is sent before the next is read."""
    computation = find(job.kind)
    outlet = Outlet()
    body = encoder(coding, outlet)
    writer = WRITERS[format_.name](body, schema(columns))
    for page in pages(job, status, rows_per_page=format_.rows_per_page):
        writer.write(with_key_columns(page, computation, columns))
        body.flush()
        yield outlet.take()
    writer.close()
    body.close()
    yield outlet.take()


async def over_threads(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts, each made on an export thread when the reader is ready for it.

    A reader that disconnects leaves nothing behind: a part that waits for a thread is cancelled.
    """
    loop = asyncio.get_running_loop()
    while (part := await loop.run_in_executor(_threads, next, parts, None)) is not None:
        if part:
            yield part
