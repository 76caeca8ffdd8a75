"""The results table: rows in by COPY, pages out as text that PostgreSQL joins."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from batch.core.items import Items

OK = "ok"
_COPY = "COPY batch_result (job_id, position, status, body) FROM STDIN (FORMAT BINARY)"


@dataclass(frozen=True, slots=True)
class ResultRow:
    position: int
    status: str
    body: str


def encode(items: Items, first_position: int, columns: Mapping[str, list[Any]]) -> list[ResultRow]:
    """One row an item. Its body is the item's JSON, made here once and never parsed again; NaN becomes null."""
    names = ("position", "custom_id", "instrument_key", *columns)
    positions = range(first_position, first_position + len(items))
    rows = zip(positions, items.custom_ids, items.keys, *columns.values(), strict=True)
    status = columns["status"]
    return [
        ResultRow(position, word, orjson.dumps(dict(zip(names, row, strict=True))).decode())
        for position, word, row in zip(positions, status, rows, strict=True)
    ]


def copy_in(job_id: uuid.UUID, rows: Iterable[ResultRow]) -> None:
    """Within the caller's transaction."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(["uuid", "int4", "text", "text"])
        for row in rows:
            copy.write_row((job_id, row.position, row.status, row.body))


@dataclass(frozen=True, slots=True)
class Page:
    joined: str  # bodies, separated by commas
    count: int
    last_position: int | None


_PAGE = """
SELECT coalesce(string_agg(body, ',' ORDER BY position), ''), count(*), max(position) FROM (
    SELECT position, body FROM batch_result
    WHERE job_id = %(job)s AND position > %(after)s AND position < %(before)s {status}
    ORDER BY position LIMIT %(limit)s
) page
"""
_STATUS = {"": "", "failed": "AND status <> 'ok'"}


def read_page(job_id: uuid.UUID, *, after: int, before: int, limit: int, status: str = "") -> Page:
    """Results at positions in (after, before), in the order of the request; status: "", "failed" or a status word."""
    condition = _STATUS.get(status, "AND status = %(status)s")
    parameters: dict[str, Any] = {"job": job_id, "after": after, "before": before, "limit": limit, "status": status}
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(status=condition), parameters)
        return Page(*cursor.fetchone())
