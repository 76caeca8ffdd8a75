"""Prepare a job for computing: find what its chunks share, or an earlier job with the same answers."""

import hashlib
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from batch.events import Event, log_event
from batch.jobs import progress
from batch.jobs.answering import load
from batch.jobs.core.items import Given, Items
from batch.jobs.endings import log_if_ended
from batch.jobs.models import Chunk, Job
from batch.jobs.results import copy_from_job
from batch.jobs.services import cut, items_a_chunk, too_many_rows
from batch.jobs.stored import stored_items, unreadable_fields
from batch.jobs.transactions import worker_transaction
from batch.jobs.webhook_events import publish_end
from signalsite.foundation.computations.contract import Computation, Prepared
from signalsite.foundation.computations.registry import find

MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _StoredKeys:
    """The keys of a job's items, read a chunk at a time. A million stored items are four megabytes."""

    blocks: list[tuple[bytes | memoryview, int]]

    def __iter__(self) -> Iterator[Sequence[str]]:
        return (stored_items(block, size).keys for block, size in self.blocks)


def prepare(job_id: uuid.UUID) -> list[int]:
    """Find what the job's chunks share, open the chunks for work, and return their ids.

    Return none if the job is prepared already, or if an earlier job has the answers.
    """
    job = _begin(job_id)
    if job is None:
        return []
    computation = find(job.kind)
    if job.selector is None:
        stored = _StoredKeys(list(job.chunks.order_by("number").values_list("item_block", "size")))
        blocks = [block for block, _ in stored.blocks]
        prepared = computation.prepare(stored, job.as_of, job.params)
    else:
        prepared = computation.prepare_selector(job.selector, job.as_of, job.params)
        blocks = [Items.of_keys(prepared.keys or [], computation.item_kind).to_block()]
    prepared = replace(prepared, as_of=prepared.as_of or job.created_at)
    digest = _request_digest(job, computation, prepared, blocks)
    earlier = find_reusable(job, digest, computation, prepared) if job.reuse else None
    return _open(job, prepared, digest, earlier)


def _begin(job_id: uuid.UUID) -> Job | None:
    """Count the attempt, and return the job. Counting comes first, so that a job that kills its worker ends too."""
    with worker_transaction():
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.status != Job.Status.VALIDATING:
            return None
        job.attempts += 1
        if job.attempts > MAX_ATTEMPTS:
            job.status, job.finished_at = Job.Status.FAILED, Now()
            job.error = f"the job could not be prepared, {MAX_ATTEMPTS} times"
            log_event(Event.JOB_GIVEN_UP, level=logging.ERROR, job=job.pk)
        elif unreadable := unreadable_fields(job):
            job.status, job.finished_at = Job.Status.FAILED, Now()
            job.error = "; ".join(f"the stored {name} cannot be read: {why}" for name, why in unreadable.items())
        job.save(update_fields=["attempts", "status", "finished_at", "error"])
        if job.status == Job.Status.FAILED:
            publish_end(job.pk)
            transaction.on_commit(partial(progress.publish_state, job.pk, at_once=True))
            transaction.on_commit(partial(log_if_ended, job.pk))
            return None
        return job


def _request_digest(
    job: Job, computation: Computation, prepared: Prepared, item_blocks: Iterable[bytes | memoryview]
) -> str:
    """Return the digest of all that the answers depend on, except stored market data: chunks have its digest."""
    asked = [computation.name, computation.version, job.params, prepared.as_of, prepared.context]
    found = hashlib.blake2b(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS), digest_size=16)
    for block in item_blocks:
        found.update(block)
    return found.hexdigest()


def find_reusable(job: Job, digest: str, computation: Computation, prepared: Prepared) -> Job | None:
    """Return a completed job of the same owner with the same request, whose stored inputs have not changed."""
    size = (
        job.chunk_size
        if prepared.keys is None
        else items_a_chunk(computation, job.params, len(prepared.keys), prepared.keys)
    )
    earlier = Job.objects.filter(
        owner=job.owner_id,
        status=Job.Status.COMPLETED,
        request_digest=digest,
        reused_from=None,
        chunk_size=size,  # answers are copied chunk by chunk
    ).first()
    if earlier is None or prepared.as_of is None:
        return None
    for chunk in earlier.chunks.defer("answer_block").iterator(chunk_size=1):
        items = stored_items(chunk.item_block, chunk.size)
        if chunk.digest != load(computation, items, prepared.as_of, job.params, prepared.context).digest():
            return None
    return earlier


def _open(job: Job, prepared: Prepared, digest: str, earlier: Job | None) -> list[int]:
    error = selection_error(prepared, find(job.kind).rows_per_item_of(job.params, prepared.keys or ()))
    with worker_transaction():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        if locked.status != Job.Status.VALIDATING:
            return []
        locked.as_of, locked.request_digest, locked.context = prepared.as_of, digest, prepared.context
        locked.started_at = Now()
        if error:
            locked.status, locked.error, locked.finished_at = Job.Status.FAILED, error, Now()
        else:
            if prepared.keys is not None:
                cut(locked, Given.whole(Items.of_keys(prepared.keys, find(job.kind).item_kind)))
            locked.status = Job.Status.IN_PROGRESS
            if earlier is not None:
                _answer_from(locked, earlier)
        locked.save()
        publish_end(locked.pk)
        transaction.on_commit(partial(progress.publish_state, locked.pk, at_once=True))
        transaction.on_commit(partial(log_if_ended, locked.pk))
    if earlier is not None or error:
        return []
    return list(Chunk.objects.filter(job=job).order_by("number").values_list("id", flat=True))


def _answer_from(job: Job, earlier: Job) -> None:
    copy_from_job(job.pk, earlier.pk)
    job.reused_from = earlier
    job.completed, job.failed = earlier.completed, earlier.failed
    job.status, job.finished_at = Job.Status.COMPLETED, Now()
    log_event(Event.JOB_REUSED, level=logging.DEBUG, job=job.pk, earlier=earlier.pk)


def selection_error(prepared: Prepared, rows_per_item: int) -> str:
    """Return why the selected items make no job; empty if they do, or if the caller gave items."""
    keys = prepared.keys
    if keys is None:
        return ""
    if len(keys) > settings.BATCH_MAX_ITEMS:
        return f"the selector stands for {len(keys)} options; {settings.BATCH_MAX_ITEMS} are allowed"
    if keys:
        return too_many_rows(len(keys), rows_per_item)
    if prepared.newest and prepared.as_of:
        return (
            f"the selector stands for no option that was quoted shortly before {prepared.as_of.isoformat()}; "
            f"the newest quote is of {prepared.newest.isoformat()}"
        )
    return "the selector stands for no option with a quote"
