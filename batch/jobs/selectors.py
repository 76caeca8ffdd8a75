"""Read jobs, their results and statistics."""

import uuid
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.http import Http404
from rest_framework.exceptions import PermissionDenied

from batch.jobs.models import Job
from batch.jobs.permissions import CHANGE, may_act_on, may_see, may_see_all
from batch.jobs.results import Page, read_layout, read_page
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.stored_json import Unreadable


def jobs_visible_to(user: User | AnonymousUser) -> QuerySet[Job]:
    """Return the user's own jobs, or all jobs if the user may see all."""
    return _jobs() if may_see_all(user) else _jobs().filter(owner=user.pk)


def get_job(user: User | AnonymousUser, job_id: uuid.UUID) -> Job:
    """Return a job that the user may see. Raises Http404 for any other: it does not exist for that user."""
    job = _jobs().filter(pk=job_id).first()
    if job is None or not may_see(user, job):
        raise Http404
    return job


def read_receipt(user: User | AnonymousUser, job_id: uuid.UUID) -> dict[str, Any]:
    """Return what the job's items share. It is empty until the job is prepared, and if it is unreadable."""
    job = get_job(user, job_id)
    context = {} if isinstance(job.context, Unreadable) else job.context
    computation = computations().get(job.kind)  # None if its app was removed
    shared = computation.receipt(context) if computation else {}
    return {"job_id": job.pk, "as_of": job.as_of, **shared}


def get_job_to_act_on(user: User | AnonymousUser, job_id: uuid.UUID) -> Job:
    """Return a job that the user may cancel or retry. Raises PermissionDenied if the user may only see it."""
    job = get_job(user, job_id)
    if not may_act_on(user, job):
        raise PermissionDenied(f"it takes the permission {CHANGE} to act on another's job")
    return job


def _jobs() -> QuerySet[Job]:
    return Job.objects.select_related("owner").defer("context")


def read_results(job: Job, *, after: int, limit: int, status: str = "") -> tuple[Page, int | None]:
    """Return a page of results after the row `after`, and the row after which to continue; None after the last row.

    While a job runs, pages end at the first chunk without answers. So a caller who reads page after page gets every
    item once, in the order of the request, whatever the order in which chunks are computed.
    """
    layout = read_layout(job.pk)
    page = read_page(job.pk, layout, after=after, limit=limit, status=status)
    if page.count == limit:
        return page, page.last_row
    ended = job.status in Job.TERMINAL or (layout.complete and bool(layout.parts))
    return page, None if ended else max(layout.rows - 1, after)


_QUEUE = """
SELECT count(*) FILTER (WHERE c.status = 'pending'), count(*) FILTER (WHERE c.status = 'running'),
       coalesce(sum(c.size), 0)
FROM batch_chunk c JOIN batch_job j ON j.id = c.job_id
WHERE j.status IN ('validating', 'in_progress', 'cancelling') AND c.status <> 'done'
"""


def statistics(user: User | AnonymousUser) -> dict[str, Any]:
    """Return counts and timings of the jobs that the user may see, and the state of the shared queue."""
    jobs = jobs_visible_to(user)
    elapsed = ExpressionWrapper(F("finished_at") - F("created_at"), output_field=DurationField())
    ended = Q(status=Job.Status.COMPLETED)
    totals = jobs.aggregate(
        jobs=Count("id"),
        total_items=Sum("total"),
        completed_items=Sum("completed"),
        failed_items=Sum("failed"),
        seconds=Sum(elapsed, filter=ended),
        mean=Avg(elapsed, filter=ended),
        done=Sum("total", filter=ended),
    )
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE)
        pending, running, waiting = cursor.fetchone()
    seconds = totals["seconds"].total_seconds() if totals["seconds"] else 0.0
    by_status = dict(jobs.order_by().values_list("status").annotate(Count("id")))
    return {
        "jobs": {"total": totals["jobs"], "by_status": by_status},
        "items": {name: totals[f"{name}_items"] or 0 for name in ("total", "completed", "failed")},
        "mean_job_seconds": totals["mean"].total_seconds() if totals["mean"] else None,
        "items_per_second": round(totals["done"] / seconds, 1) if seconds else None,
        "queue": {"pending_chunks": pending, "running_chunks": running, "waiting_items": waiting},
    }
