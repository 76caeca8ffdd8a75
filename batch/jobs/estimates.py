"""Estimate a job without storing it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from batch.jobs.preparation import selection_error
from batch.jobs.services import Submission, items_a_chunk
from signalsite.foundation.errors import InvalidInput

MOST_REFUSED = 100  # listed in the estimate
FIRST_GUESS = 5000.0
"""Items a second, until this installation has completed a job to measure."""

_RATE = """
SELECT sum(total) / nullif(sum(extract(epoch FROM finished_at - started_at)), 0) FROM (
    SELECT total, started_at, finished_at FROM batch_job
    WHERE kind = %s AND status = 'completed' AND reused_from_id IS NULL AND total >= 500
    ORDER BY finished_at DESC LIMIT 20
) recent
"""
_AHEAD = """
SELECT coalesce(sum(c.size), 0) FROM batch_chunk c JOIN batch_job j ON j.id = c.job_id
WHERE c.status <> 'done' AND j.status IN ('validating', 'in_progress')
"""


def estimate(submission: Submission, *, now: datetime) -> dict[str, Any]:
    """Return the number of items, the refused ones, the chunks and the seconds.

    Raises InvalidInput if the submission is invalid, or if its job is bound to fail because of what its selector
    selects.
    """
    computation, refused, first_refused = submission.computation, 0, list[dict[str, Any]]()
    keys: Iterable[str]
    if submission.items is not None:
        keys = submission.items.keys()
        total, as_of = submission.items.total, submission.as_of
        first = 0
        for run in submission.items.runs():
            refused += len(run.refused)
            reasons = sorted(run.refused.items())[: MOST_REFUSED - len(first_refused)]
            first_refused += [{"position": first + place, "reason": reason} for place, reason in reasons]
            first += len(run)
    else:
        prepared = computation.prepare_selector(submission.selector or {}, submission.as_of, submission.params)
        keys = prepared.keys or ()
        if error := selection_error(prepared, computation.rows_per_item_of(submission.params, keys)):
            raise InvalidInput("selector", error)
        total, as_of = len(prepared.keys or ()), prepared.as_of
    size = items_a_chunk(computation, submission.params, total, keys)
    with connection.cursor() as cursor:
        cursor.execute(_RATE, (computation.name,))
        rate = float(cursor.fetchone()[0] or FIRST_GUESS)
        cursor.execute(_AHEAD)
        ahead = int(cursor.fetchone()[0])
    return {
        "dry_run": True,
        "kind": computation.name,
        "params": submission.params,
        "as_of": as_of,
        "total": total,
        "refused": first_refused,
        "refused_count": refused,
        "chunk_size": size,
        "chunks": -(-total // size),
        "estimated_seconds": round((total + ahead) / rate, 3),
        "items_ahead": ahead,
    }
