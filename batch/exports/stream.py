"""A job's results as a stream of bytes. Between two pages nothing is held: no cursor, transaction or connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from django.db import close_old_connections

from batch.exports.codings import Outlet, encoder
from batch.exports.formats import Format
from batch.exports.writers import WRITERS
from batch.jobs.core.answers import rows_of_status
from batch.jobs.models import Job
from batch.jobs.results import read_layout, read_part
from signalsite.foundation.computations.arrow import schema
from signalsite.foundation.computations.registry import find
from signalsite.foundation.errors import DataAccessError

THREADS = 4  # at most so many connections and cores for all exports of the process; they take turns, page by page

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="export")


class ResultsGone(DataAccessError):
    """Answers of the job were deleted while they were exported."""


def pages(job: Job, status: str = "", *, rows_per_page: int = 5000) -> Iterator[pa.Table]:
    """The answers of an ended job, so many rows at a time or fewer.

    Raises ResultsGone where fewer rows come than there were at the beginning: a stream that simply ended there would
    look whole.
    """
    layout = read_layout(job.pk)
    expected, read = layout.count(status), 0
    for part in layout.parts:
        if not part.count(status):
            continue
        table = read_part(job.pk, part)
        close_old_connections()  # back to the pool: whoever reads this may be slow
        if table is None:
            raise ResultsGone(f"job {job.pk}: {read} of {expected} results, the others are gone")
        if status:
            table = table.take(pa.array(rows_of_status(table, status)))
        for begin in range(0, len(table), rows_per_page):
            page = table.slice(begin, rows_per_page)
            read += len(page)
            yield page


def encoded(job: Job, format_: Format, coding: str, status: str = "") -> Iterator[bytes]:
    """The export's bytes in parts, one or none a page; what was read is sent before the next page is asked for."""
    outlet = Outlet()
    body = encoder(coding, outlet)
    writer = WRITERS[format_.name](body, schema(find(job.kind)))
    for page in pages(job, status, rows_per_page=format_.rows_per_page):
        writer.write(page)
        body.flush()
        yield outlet.take()
    writer.close()
    body.close()
    yield outlet.take()


async def over_threads(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same parts, each made on a thread of the exports' own when the reader is ready for it.

    A reader that goes away leaves nothing behind: what waits for a thread is cancelled, the rest is only memory.
    """
    loop = asyncio.get_running_loop()
    while (part := await loop.run_in_executor(_threads, next, parts, None)) is not None:
        if part:
            yield part
