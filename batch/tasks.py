"""The Celery tasks: take an id, make one service call, enqueue what it returns."""

import logging
import os
import socket
import uuid
from collections.abc import Iterable
from typing import cast

from celery import Task, shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from batch.events import Event, log_event
from batch.jobs import chunks, preparation, retention, sweep
from batch.webhooks import delivery as webhooks
from batch.webhooks import outbox
from signalsite.foundation.redis import client


@shared_task(name="batch.prepare_job", autoretry_for=(Exception,), retry_backoff=1, max_retries=3)
def prepare_job(job_id: str) -> None:
    enqueue_chunks(preparation.prepare(uuid.UUID(job_id)))


@shared_task(
    name="batch.compute_chunk",
    bind=True,
    autoretry_for=(Exception,),
    retry_backoff=1,  # seconds, doubled each time
    retry_jitter=False,
    max_retries=chunks.MAX_ATTEMPTS,
)
def compute_chunk(self: Task, chunk_id: int) -> None:
    request = self.request
    again = request.retries > 0 or bool(request.delivery_info.get("redelivered"))
    worker = f"{socket.gethostname()}:{os.getpid()}"
    chunks.compute_chunk(chunk_id, worker=worker, task_id=request.id, again=again)


@shared_task(name="batch.requeue_stalled", ignore_result=True)
def requeue_stalled() -> None:
    outbox.enqueue(outbox.find_due(ahead=outbox.AHEAD_SECONDS), queue=settings.CELERY_SLOW_QUEUE)
    queued = cast(int, client(settings.REDIS_URL).llen(settings.CELERY_TASK_DEFAULT_QUEUE))
    stalled_jobs, stalled_chunks = sweep.find_stalled(queued=queued)
    for job_id in stalled_jobs:
        enqueue_job(job_id, queue=settings.CELERY_SLOW_QUEUE)
    enqueue_chunks(stalled_chunks, queue=settings.CELERY_SLOW_QUEUE)
    for event, found in ((Event.JOB_REQUEUED, stalled_jobs), (Event.CHUNK_REQUEUED, stalled_chunks)):
        if found:
            log_event(event, len(found))
    log_event(Event.SWEPT, level=logging.DEBUG)


@shared_task(name=outbox.DELIVER_TASK, ignore_result=True)
def deliver_webhook(delivery_id: str) -> None:
    if webhooks.deliver(uuid.UUID(delivery_id)):
        outbox.enqueue(outbox.find_due(1))  # a delivery that the concurrency limit refused


@shared_task(name="batch.expire", ignore_result=True)
def expire() -> None:
    retention.expire()


def enqueue_job(job_id: uuid.UUID, *, queue: str | None = None) -> None:
    """Enqueue a stored job. A broker that is down only delays it: the sweep finds it."""
    try:
        prepare_job.apply_async((str(job_id),), queue=queue)
    except OperationalError as error:
        log_event(Event.BROKER_UNAVAILABLE, level=logging.ERROR, job=job_id, error=error)


def enqueue_chunks(chunk_ids: Iterable[int], *, queue: str | None = None) -> None:
    try:
        with compute_chunk.app.producer_or_acquire() as producer:  # one connection for all of them
            for chunk_id in chunk_ids:
                compute_chunk.apply_async((chunk_id,), producer=producer, queue=queue)
    except OperationalError as error:  # the sweep finds them
        log_event(Event.BROKER_UNAVAILABLE, level=logging.ERROR, error=error)
