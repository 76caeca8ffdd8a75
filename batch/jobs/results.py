"""Read answers. Each chunk stores them as one block of columns; a page comes from one or a few blocks."""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from django.db import connection

from batch.jobs.core.answers import count_of_status, lost, places_of_status, rows_of_status, whole
from signalsite.foundation.blocks import UNREADABLE_BLOCK, json_list
from signalsite.foundation.rows import binary_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk with answers, as have all chunks before it. `first_row`: the number of rows in those."""

    number: int
    first_row: int
    rows: int
    status_counts: Mapping[str, int]

    def count(self, status: str) -> int:
        return count_of_status(self.status_counts, status)


@dataclass(frozen=True, slots=True)
class Layout:
    """The chunks with answers, up to the first chunk that has none yet."""

    parts: list[Part]
    complete: bool  # whether these are all chunks of the job

    @property
    def rows(self) -> int:
        return self.parts[-1].first_row + self.parts[-1].rows if self.parts else 0

    def count(self, status: str) -> int:
        return sum(part.count(status) for part in self.parts)


_LAYOUT = """
SELECT number, rows, status_counts, status = 'done' FROM batch_chunk WHERE job_id = %(job)s ORDER BY number
"""


def read_layout(job_id: uuid.UUID) -> Layout:
    parts: list[Part] = []
    first_row = 0
    for number, rows, status_counts, done in binary_rows(_LAYOUT, {"job": job_id}):
        if not done:
            return Layout(parts, complete=False)
        parts.append(Part(number, first_row, rows, status_counts))
        first_row += rows
    return Layout(parts, complete=True)


_BLOCKS = """
SELECT answer_block, item_block, first_position FROM batch_chunk
WHERE job_id = %(job)s AND number = %(number)s AND status = 'done'
"""


def read_part(job_id: uuid.UUID, part: Part) -> pa.Table | None:
    """Return the rows of a chunk, or None if they were deleted with their job."""
    found = binary_rows(_BLOCKS, {"job": job_id, "number": part.number})
    if not found:
        return None
    answer_block, item_block, first_position = found[0]
    try:
        return whole(answer_block, item_block, first_position)
    except UNREADABLE_BLOCK as error:
        logger.error("chunk %s of job %s cannot be read: %s", part.number, job_id, error)
        return lost(part.rows, first_position)


@dataclass(frozen=True, slots=True)
class Page:
    lists: list[bytes]
    """The rows, as consecutive JSON lists."""
    count: int
    last_row: int | None


def read_page(job_id: uuid.UUID, layout: Layout, *, after: int, limit: int, status: str = "") -> Page:
    """Return at most `limit` rows after the row `after`, in the order of the request.

    `status`: a status word, `failed` for all but ok, or empty for all.
    """
    lists: list[bytes] = []
    count, last_row = 0, None
    for part in layout.parts:
        if part.first_row + part.rows <= after + 1 or not part.count(status):
            continue
        table = read_part(job_id, part)
        if table is None:
            break
        rows = rows_of_status(table, status)
        rows = rows[rows > after - part.first_row][: limit - count]
        if not len(rows):
            continue
        contiguous = rows[-1] - rows[0] + 1 == len(rows)
        lists.append(json_list(table.slice(rows[0], len(rows)) if contiguous else table.take(pa.array(rows))))
        count, last_row = count + len(rows), part.first_row + int(rows[-1])
        if count == limit:
            break
    return Page(lists, count, last_row)


def copy_from_job(job_id: uuid.UUID, earlier_id: uuid.UUID) -> None:
    """Copy the answers of an earlier job with the same chunks, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE batch_chunk c SET status = 'done', finished_at = now(), answer_block = e.answer_block,"
            " status_counts = e.status_counts, rows = e.rows, completed = e.completed, failed = e.failed"
            " FROM batch_chunk e WHERE c.job_id = %s AND e.job_id = %s AND e.number = c.number",
            (job_id, earlier_id),
        )


_RETRYABLE = """
SELECT number FROM batch_chunk
WHERE job_id = %(job)s AND status = 'done' AND status_counts ?| %(words)s ORDER BY number
"""
_ANSWERS = "SELECT answer_block FROM batch_chunk WHERE job_id = %(job)s AND number = %(number)s"


def retryable_places(job_id: uuid.UUID, words: Sequence[str]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of each chunk with items to retry, and their places in it.

    These are the items with a row of one of these status words. Only one block of answers is in memory at a time.
    """
    for (number,) in binary_rows(_RETRYABLE, {"job": job_id, "words": list(words)}):
        for (block,) in binary_rows(_ANSWERS, {"job": job_id, "number": number}):
            try:
                yield number, places_of_status(block, words)
            except UNREADABLE_BLOCK as error:
                logger.error("chunk %s of job %s cannot be read: %s", number, job_id, error)
