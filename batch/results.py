"""The results table: rows in by arrays, pages out as text that PostgreSQL joins."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from django.db import connection

from batch.core.items import Items
from batch.kinds.base import IDENTITY
from batch.models import Result
from signalsite.foundation.rows import binary_rows

OK = "ok"
RETRYABLE = ("no_price", "no_underlying", "cancelled", "internal_error")
"""Status words of items that trying again can help."""
_INSERT = (
    "INSERT INTO batch_result (job_id, position, status, body)"
    " SELECT %s, * FROM unnest(%b::int[], %b::text[], %b::text[])"
)


@dataclass(frozen=True, slots=True)
class ResultRow:
    position: int
    status: str
    body: str


def encode(items: Items, first_position: int, columns: Mapping[str, list[Any]]) -> list[ResultRow]:
    """One row an item. Its body is the item's JSON, made here once and never parsed again; NaN becomes null."""
    names = (*IDENTITY, *columns)
    positions = range(first_position, first_position + len(items))
    rows = zip(positions, items.custom_ids, items.keys, *columns.values(), strict=True)
    status = columns["status"]
    return [
        ResultRow(position, word, orjson.dumps(dict(zip(names, row, strict=True))).decode())
        for position, word, row in zip(positions, status, rows, strict=True)
    ]


def insert(job_id: uuid.UUID, rows: Sequence[ResultRow]) -> None:
    """Within the caller's transaction; in one statement, see `worker_transaction`."""
    columns = ([row.position for row in rows], [row.status for row in rows], [row.body for row in rows])
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_INSERT, (job_id, *columns))


def copy_from_job(job_id: uuid.UUID, earlier_id: uuid.UUID) -> None:
    """The earlier job's answers as this job's own rows. Within the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO batch_result (job_id, position, status, body)"
            " SELECT %s, position, status, body FROM batch_result WHERE job_id = %s",
            (job_id, earlier_id),
        )


def retryable_positions(job_id: uuid.UUID) -> list[int]:
    found = Result.objects.filter(job=job_id, status__in=RETRYABLE).order_by("position")
    return list(found.values_list("position", flat=True))


@dataclass(frozen=True, slots=True)
class Page:
    joined: bytes  # bodies, with the separator between them
    count: int
    last_position: int | None


_PAGE = """
SELECT coalesce(string_agg(convert_to(body, 'UTF8'), %(separator)s ORDER BY position), ''), count(*), max(position)
FROM (
    SELECT position, body FROM batch_result
    WHERE job_id = %(job)s AND position > %(after)s AND position < %(before)s {status}
    ORDER BY position LIMIT %(limit)s
) page
"""
_STATUS = {"": "", "failed": "AND status <> 'ok'"}


def read_page(
    job_id: uuid.UUID, *, after: int, before: int, limit: int, status: str = "", separator: bytes = b","
) -> Page:
    """Results at positions in (after, before), in the order of the request; status: "", "failed" or a status word."""
    condition = _STATUS.get(status, "AND status = %(status)s")
    parameters: dict[str, Any] = {"job": job_id, "after": after, "before": before, "limit": limit, "status": status}
    parameters["separator"] = separator
    return Page(*binary_rows(_PAGE.format(status=condition), parameters)[0])
