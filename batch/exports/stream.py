"""A job's results as a stream of bytes. Between two pages nothing is held: no cursor, transaction or connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections

from batch.exports.codings import Outlet, encoder
from batch.exports.columns import schema
from batch.exports.formats import Format
from batch.exports.writers import WRITERS
from batch.kinds import KINDS
from batch.models import Job, Result
from batch.results import OK, read_page
from signalsite.foundation.errors import DataAccessError

ROWS_PER_PAGE = 1000  # 0.6 MB of Greeks: what each export that goes on holds in memory
THREADS = 4  # at most so many connections and cores for all exports of the process; they take turns, page by page

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="export")


class ResultsGone(DataAccessError):
    """Rows of the job were deleted while they were exported."""


def count_results(job: Job, status: str = "") -> int:
    """How many rows an ended job has, by its counters where they say it."""
    counted = {"": job.completed + job.failed, OK: job.completed, "failed": job.failed}
    return counted[status] if status in counted else Result.objects.filter(job=job, status=status).count()


def pages(job: Job, status: str = "") -> Iterator[bytes]:
    """The stored answers of an ended job, a JSON object a line, some thousand lines at a time.

    Raises ResultsGone where fewer rows come than there were at the beginning: a stream that simply ended there would
    look whole.
    """
    expected, read, after = count_results(job, status), 0, -1
    while read < expected:
        page = read_page(job.pk, after=after, before=job.total, limit=ROWS_PER_PAGE, status=status, separator=b"\n")
        close_old_connections()  # back to the pool: whoever reads this may be slow
        if page.last_position is None:
            raise ResultsGone(f"job {job.pk}: {read} of {expected} results, the others are gone")
        read, after = read + page.count, page.last_position
        yield page.joined + b"\n"


def encoded(job: Job, format_: Format, coding: str, status: str = "") -> Iterator[bytes]:
    """The export's bytes in parts, one or none a page; what was read is sent before the next page is asked for."""
    outlet = Outlet()
    body = encoder(coding, outlet)
    writer = WRITERS[format_.name](body, schema(KINDS[job.kind]))
    for page in pages(job, status):
        writer.write_lines(page)
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
