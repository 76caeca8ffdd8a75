"""What can be done with jobs. Enqueueing is the caller's: these functions return what is to be enqueued."""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
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
CLOSE_SECONDS = 1.5  # of the 5 that a request may take, should Redis hang too


class TooManyOpenJobs(LimitExceeded):
    """The owner has as many unfinished jobs as one may have."""


class NothingToRetry(Conflict):
    """The job has no item that trying again could help, or has not ended."""


class SubmissionTooSlow(StorageTooSlow):
    """Keeping the submission took too long; nothing of it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a caller asks for, checked: either items or a selector, every parameter filled in."""

    computation: Computation
    params: Mapping[str, Any]
    as_of: datetime | None
    items: Given | None = None
    selector: Mapping[str, Any] | None = None
    reuse: bool = True
    webhook: Mapping[str, str] | None = None


def submit(owner: User, submission: Submission, *, retry_of: Job | None = None) -> Job:
    """Keep a job, with its items in chunks, as they are read. It is to be prepared next; until then its instant may be
    open. All of it is one transaction, whose statements take BATCH_SUBMIT_SECONDS and one more at the most."""
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


def too_many_rows(items: int, rows_per_item: int) -> str:
    """Why so many answers are too many for a job; empty where they are not."""
    if items * rows_per_item <= settings.BATCH_MAX_ROWS:
        return ""
    total = items * rows_per_item
    return f"{items} items of up to {rows_per_item} rows each are {total} rows; {settings.BATCH_MAX_ROWS} are allowed"


def items_a_chunk(computation: Computation, params: Mapping[str, Any], total: int) -> int:
    """How a job of so many items is cut by the settings of now."""
    rows = computation.rows_per_item(params)
    return chunk_size(total, settings.WORKERS, settings.BATCH_CHUNK_SIZE, rows)


def cut(job: Job, items: Given, seconds: float = math.inf) -> None:
    """Keep the items in chunks. Raises SubmissionTooSlow where the statements take longer than `seconds`: what reading
    and encoding the items takes beside other requests is not PostgreSQL's."""
    job.chunk_size = items_a_chunk(find(job.kind), job.params, len(items))
    job.total = len(items)
    job.save(update_fields=["chunk_size", "total"])
    first, spent = 0, 0.0
    for number, part in enumerate(items.chunks(job.chunk_size)):  # a statement each: each has its own clock
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
    """The same computation without a job: prepared, computed and encoded at once."""
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
        publish_end(locked.pk)
        transaction.on_commit(partial(progress.publish_state, locked.pk, at_once=True))
        transaction.on_commit(partial(log_if_ended, locked.pk))
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
    items = _to_retry(job, computation.retryable)
    if not items.total:
        raise NothingToRetry(
            f"no item of this job is one of {', '.join(computation.retryable)}: trying again can help none"
        )
    return submit(job.owner, replace(again, items=items), retry_of=job)


def _to_retry(job: Job, words: Sequence[str]) -> Given:
    """Of one that failed as a whole, which has no answers, all; else the items that trying again can help."""
    sizes = dict(job.chunks.order_by("number").values_list("number", "size"))
    wanted: Mapping[int, np.ndarray]
    if job.status == Job.Status.FAILED:
        wanted = {number: np.arange(size, dtype=np.int32) for number, size in sizes.items()}
    else:
        wanted = dict(retryable_places(job.pk, words))

    def runs() -> Iterator[Items]:
        for number, places in wanted.items():
            items = Items([], [])
            block = job.chunks.values_list("item_block", flat=True).get(number=number)
            items.extend(stored_items(block, sizes[number]), places.tolist())
            yield items

    return Given(sum(map(len, wanted.values())), runs)
