"""Submit, answer, cancel and retry. These functions return what the caller must enqueue."""

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from batch.jobs import progress
from batch.jobs.answering import answer
from batch.jobs.chunks import close_cancelled
from batch.jobs.core.answers import whole
from batch.jobs.core.chunk_size import chunk_size
from batch.jobs.core.items import Given, Items
from batch.jobs.endings import log_if_ended
from batch.jobs.models import Chunk, Job
from batch.jobs.results import retryable_places
from batch.jobs.stored import stored_items, unreadable_fields
from batch.jobs.webhook_events import publish_end
from signalsite.foundation.blocks import json_list
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.registry import find
from signalsite.foundation.errors import Conflict, LimitExceeded, StorageTooSlow

logger = logging.getLogger(__name__)
CLOSE_SECONDS = 1.5  # of the 5 s of a request, in case Redis hangs too


class TooManyOpenJobs(LimitExceeded):
    """The owner has too many unfinished jobs."""


class NothingToRetry(Conflict):
    """The job has no item worth a retry, or has not ended."""


class SubmissionTooSlow(StorageTooSlow):
    """Storing the submission took too long. Nothing of it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A validated request: either items or a selector, with every parameter filled in."""

    computation: Computation
    params: Mapping[str, Any]
    as_of: datetime | None
    items: Given | None = None
    selector: Mapping[str, Any] | None = None
    reuse: bool = True
    webhook: Mapping[str, str] | None = None


def submit(owner: User, submission: Submission, *, retry_of: Job | None = None) -> Job:
    """Store a job, with its items in chunks as they are read. The caller must enqueue its preparation.

    This is one transaction. Its statements take at most BATCH_SUBMIT_SECONDS, and one statement more.
    """
    submission = granted(owner, submission)
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
            total=submission.items.total if submission.items else 0,
            reuse=submission.reuse,
            retry_of=retry_of,
            webhook_url=webhook.get("url", ""),
            webhook_secret=webhook.get("secret", ""),
        )
        if submission.items is not None:
            cut(job, submission.items, settings.BATCH_SUBMIT_SECONDS)
    job.refresh_from_db()
    logger.debug("job accepted", extra={"job": str(job.id), "kind": job.kind, "items": job.total})
    return job


def granted(owner: User, submission: Submission) -> Submission:
    """Return the submission with the parameters that its owner may use. Raises InvalidInput."""
    return replace(submission, params=submission.computation.granted(submission.params, owner))


def too_many_rows(items: int, rows_per_item: int) -> str:
    """Return why a job cannot have this many answers; empty if it can."""
    if items * rows_per_item <= settings.BATCH_MAX_ROWS:
        return ""
    total = items * rows_per_item
    return f"{items} items of up to {rows_per_item} rows each are {total} rows; {settings.BATCH_MAX_ROWS} are allowed"


def items_a_chunk(computation: Computation, params: Mapping[str, Any], total: int, keys: Iterable[str]) -> int:
    """Return the chunk size of a job with this many items, by the current settings."""
    rows = computation.chunk_rows_of(params, keys)
    return chunk_size(total, settings.WORKERS, settings.BATCH_CHUNK_SIZE, rows, computation.rows_a_chunk)


def cut(job: Job, items: Given, seconds: float = math.inf) -> None:
    """Store the items in chunks. Raises SubmissionTooSlow if the statements alone take longer than `seconds`.

    Reading and encoding the items does not count: other requests slow it down, not PostgreSQL.
    """
    job.chunk_size = items_a_chunk(find(job.kind), job.params, len(items), items.keys())
    job.total = len(items)
    job.save(update_fields=["chunk_size", "total"])
    first, spent = 0, 0.0
    for number, part in enumerate(items.chunks(job.chunk_size)):  # one statement each, so that each has its own timeout
        block = part.to_block()
        begun = time.monotonic()
        Chunk.objects.create(job=job, number=number, first_position=first, size=len(part), item_block=block)
        spent += time.monotonic() - begun
        first += len(part)
        if spent > seconds:
            raise SubmissionTooSlow(f"storage is slow, try again: {first} of {job.total} items took {spent:.1f} s")


@dataclass(frozen=True, slots=True)
class Answer:
    as_of: datetime
    total: int
    completed: int
    rows: bytes  # as a JSON list
    receipt: Mapping[str, Any]


def answer_now(submission: Submission, items: Items, now: datetime) -> Answer:
    """Prepare, compute and encode within the request, without a job."""
    computation, params = submission.computation, submission.params
    prepared = computation.prepare([items.keys], submission.as_of, params)
    block, _ = answer(computation, items, prepared.as_of or now, params, prepared.context)
    rows = json_list(whole(block.data, items.to_block(), 0))
    return Answer(prepared.as_of or now, len(items), block.completed, rows, computation.receipt(prepared.context))


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
    return b"".join((orjson.dumps(head)[:-1], b',"data":', answer.rows, b"}"))


def cancel(job: Job, *, seconds: float = CLOSE_SECONDS) -> list[int]:
    """Stop a job. Computed answers stay; every other item gets a row that says it was cancelled.

    This closes the chunks that no worker has claimed, so that a job ends even if no worker runs. It returns the ids of
    the chunks that it could not close within `seconds`. Cancelling again continues. An ended job does not change.
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
        publish_end(locked.pk)
        transaction.on_commit(partial(progress.publish_state, locked.pk, at_once=True))
        transaction.on_commit(partial(log_if_ended, locked.pk))
    return close_cancelled(job.pk, seconds=seconds)


def retry(job: Job) -> Job:
    """Submit a new job of an ended job's items worth a retry, or of its selector if that had failed as a whole."""
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
    items = _to_retry(job, computation.retryable)
    if not items.total:
        raise NothingToRetry(
            f"no item of this job is one of {', '.join(computation.retryable)}: a retry cannot help any"
        )
    return submit(job.owner, replace(again, items=items), retry_of=job)


def _to_retry(job: Job, words: Sequence[str]) -> Given:
    """Return the items worth a retry: all of a failed job, which has no answers, else those with these words."""
    sizes = dict(job.chunks.order_by("number").values_list("number", "size"))
    wanted: Mapping[int, np.ndarray]
    if job.status == Job.Status.FAILED:
        wanted = {number: np.arange(size, dtype=np.int32) for number, size in sizes.items()}
    else:
        wanted = dict(retryable_places(job.pk, words))

    def runs() -> Iterator[Items]:
        for number, places in wanted.items():
            block = job.chunks.values_list("item_block", flat=True).get(number=number)
            stored = stored_items(block, sizes[number])
            items = stored.part(0, 0)
            items.extend(stored, places.tolist())
            yield items

    return Given(sum(map(len, wanted.values())), runs)
