"""Reading jobs."""

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
    """One's own jobs; of whoever has the permission, all."""
    return _jobs() if may_see_all(user) else _jobs().filter(owner=user.pk)


def get_job(user: User | AnonymousUser, job_id: uuid.UUID) -> Job:
    """Raises Http404 also where there is one that the user may not see: it does not exist for that user."""
    job = _jobs().filter(pk=job_id).first()
    if job is None or not may_see(user, job):
        raise Http404
    return job


def read_receipt(user: User | AnonymousUser, job_id: uuid.UUID) -> dict[str, Any]:
    """What the job's items share; empty until the job is prepared, or where it cannot be read."""
    job = get_job(user, job_id)
    context = {} if isinstance(job.context, Unreadable) else job.context
    computation = computations().get(job.kind)  # its app may be gone
    shared = computation.receipt(context) if computation else {}
    return {"job_id": job.pk, "as_of": job.as_of, **shared}


def get_job_to_act_on(user: User | AnonymousUser, job_id: uuid.UUID) -> Job:
    """Raises Http404, or PermissionDenied where the user may see it and no more."""
    job = get_job(user, job_id)
    if not may_act_on(user, job):
        raise PermissionDenied(f"it takes the permission {CHANGE} to act on another's job")
    return job


def _jobs() -> QuerySet[Job]:
    return Job.objects.select_related("owner").defer("context")


def read_results(job: Job, *, after: int, limit: int, status: str = "") -> tuple[Page, int | None]:
    """A page of results behind the row `after`, and the row to read on after; None when that was the last.

    While a job runs, results are given up to the first chunk that is still to be computed: whoever reads on after each
    page gets every item once, in the order of the request, however the chunks come in.
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
    """Counts and timings of the jobs that the user may see, and the state of the queue that all share."""
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
