"""What can be done with jobs. Enqueueing is the caller's: these functions return what is to be enqueued."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from batch import outbox, progress
from batch.answering import answer
from batch.chunks import close_cancelled
from batch.core.answers import whole
from batch.core.chunk_size import chunk_size
from batch.core.items import Items
from batch.models import Chunk, Job
from batch.results import retryable_places
from batch.stored import stored_items, unreadable_fields
from signalsite.foundation.blocks import json_lines
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import find
from signalsite.foundation.errors import Conflict, LimitExceeded

logger = logging.getLogger(__name__)
CLOSE_SECONDS = 1.5  # of the 5 that a request may take, should Redis hang too


class TooManyOpenJobs(LimitExceeded):
    """The owner has as many unfinished jobs as one may have."""


class NothingToRetry(Conflict):
    """The job has no item that trying again could help, or has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a caller asks for, checked: either items or a selector, every parameter filled in."""

    computation: Computation
    params: Mapping[str, Any]
    as_of: datetime | None
    items: Items | None = None
    selector: Mapping[str, Any] | None = None
    reuse: bool = True
    webhook: Mapping[str, str] | None = None


def submit(owner: User, submission: Submission, *, retry_of: Job | None = None) -> Job:
    """Keep a job, with its items in chunks. It is to be prepared next; until then its instant may be open."""
    webhook = submission.webhook or {}
    with transaction.atomic():
        if Job.objects.filter(owner=owner).exclude(status__in=Job.TERMINAL).count() >= settings.BATCH_MAX_OPEN_JOBS:
            raise TooManyOpenJobs(f"{settings.BATCH_MAX_OPEN_JOBS} jobs are open; wait for one to end or cancel one")
        job = Job.objects.create(
            owner=owner,
            kind=submission.computation.name,
            params=dict(submission.params),
            as_of=submission.as_of,
            selector=submission.selector,
            total=len(submission.items or ()),
            reuse=submission.reuse,
            retry_of=retry_of,
            webhook_url=webhook.get("url", ""),
            webhook_secret=webhook.get("secret", ""),
        )
        if submission.items is not None:
            cut(job, submission.items)
    job.refresh_from_db()
    logger.info("job accepted", extra={"job": str(job.id), "kind": job.kind, "items": job.total})
    return job


def too_many_rows(items: int, rows_per_item: int) -> str:
    """Why so many answers are too many for a job; empty where they are not."""
    if items * rows_per_item <= settings.BATCH_MAX_ROWS:
        return ""
    total = items * rows_per_item
    return f"{items} items of up to {rows_per_item} rows each are {total} rows; {settings.BATCH_MAX_ROWS} are allowed"


def cut(job: Job, items: Items) -> list[Chunk]:
    rows = find(job.kind).rows_per_item(job.params)
    job.chunk_size = chunk_size(len(items), settings.WORKERS, settings.BATCH_CHUNK_SIZE, rows)
    job.total = len(items)
    job.save(update_fields=["chunk_size", "total"])
    return Chunk.objects.bulk_create(
        [
            Chunk(job=job, number=number, first_position=start, size=len(part), item_block=part.to_block())
            for number, start in enumerate(range(0, len(items), job.chunk_size))
            if (part := items.part(start, start + job.chunk_size))
        ],
        batch_size=1,  # each statement has its own clock (signalsite.foundation.postgres)
    )


@dataclass(frozen=True, slots=True)
class Answer:
    as_of: datetime
    total: int
    completed: int
    joined: bytes  # the rows as JSON objects with a comma between them
    receipt: Mapping[str, Any]


def answer_now(submission: Submission, items: Items, now: datetime) -> Answer:
    """The same computation without a job: prepared, computed and encoded at once."""
    computation, params = submission.computation, submission.params
    prepared = computation.prepare([items.keys], submission.as_of, params)
    block, _ = answer(computation, items, prepared.as_of or now, params, prepared.context)
    lines = json_lines(whole(block.data, items.to_block(), 0))
    joined = lines.replace(b"\n", b",")[:-1]
    return Answer(prepared.as_of or now, len(items), block.completed, joined, computation.receipt(prepared.context))


def answer_body(answer: Answer, params: Mapping[str, Any]) -> bytes:
    head = {
        "as_of": answer.as_of,
        "params": params,
        "request_counts": {
            "total": answer.total,
            "completed": answer.completed,
            "failed": answer.total - answer.completed,
        },
        **answer.receipt,
    }
    return b"".join((orjson.dumps(head)[:-1], b',"data":[', answer.joined, b"]}"))


def cancel(job: Job, *, seconds: float = CLOSE_SECONDS) -> list[int]:
    """Stop a job: what is computed stays, the rest gets a row that says so.

    What no worker holds is closed here, so that a job ends though no worker runs; the ids of the chunks for which
    `seconds` were too short are returned. To cancel again goes on. A job that has ended stays as it is.
    """
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        if locked.status == Job.Status.VALIDATING and locked.selector is not None:
            locked.status, locked.finished_at = Job.Status.CANCELLED, Now()
        elif locked.status not in Job.TERMINAL:
            locked.as_of = locked.as_of or locked.created_at
            locked.status = Job.Status.CANCELLING
        else:
            return []
        locked.save(update_fields=["status", "finished_at", "as_of"])
        outbox.enqueue(locked.pk)
        transaction.on_commit(partial(progress.tell, locked.pk, at_once=True))
    return close_cancelled(job.pk, seconds=seconds)


def retry(job: Job) -> Job:
    """A new job of the ended one's items that trying again can help; of the whole selector where that had failed."""
    if job.status not in Job.TERMINAL:
        raise NothingToRetry("the job has not ended")
    if unreadable := unreadable_fields(job):
        raise NothingToRetry(f"what was asked cannot be read any more: {', '.join(unreadable)}")
    computation = find(job.kind)
    again = Submission(
        computation=computation,
        params=job.params,
        as_of=job.as_of,
        reuse=job.reuse,
        webhook={"url": job.webhook_url, "secret": job.webhook_secret},
    )
    if not job.total:
        return submit(job.owner, replace(again, selector=job.selector), retry_of=job)
    # One that failed as a whole has no answers: all of it is to be tried.
    failed_whole = job.status == Job.Status.FAILED
    wanted = {} if failed_whole else dict(retryable_places(job.pk, computation.retryable))
    items = Items([], [])
    for number, size, block in job.chunks.order_by("number").values_list("number", "size", "item_block").iterator():
        places = range(size) if failed_whole else wanted.get(number, ())
        if places:
            items.extend(stored_items(block, size), places)
    if not items:
        raise NothingToRetry(
            f"no item of this job is one of {', '.join(computation.retryable)}: trying again can help none"
        )
    return submit(job.owner, replace(again, items=items), retry_of=job)
