"""Celery's side of jobs: an id in, one service call, enqueue what it returns."""

import logging
import os
import socket
import uuid
from collections.abc import Iterable

from celery import Task, shared_task
from kombu.exceptions import OperationalError

from batch import services

logger = logging.getLogger(__name__)


@shared_task(name="batch.prepare_job", autoretry_for=(Exception,), retry_backoff=1, max_retries=3)
def prepare_job(job_id: str) -> None:
    ring_chunks(services.prepare(uuid.UUID(job_id)))


@shared_task(name="batch.compute_chunk", bind=True, autoretry_for=(Exception,), retry_backoff=1, max_retries=3)
def compute_chunk(self: Task, chunk_id: int) -> None:
    services.compute_chunk(chunk_id, worker=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(name="batch.requeue_stalled", ignore_result=True)
def requeue_stalled() -> None:
    jobs, chunks = services.find_stalled()
    for job_id in jobs:
        prepare_job.delay(str(job_id))
    ring_chunks(chunks)
    if jobs or chunks:
        logger.warning("requeued %d jobs and %d chunks that had stalled", len(jobs), len(chunks))


def ring_job(job_id: uuid.UUID) -> None:
    """Enqueue a job that is kept already. A broker that is down only delays it: beat finds it again."""
    try:
        prepare_job.delay(str(job_id))
    except OperationalError as error:
        logger.error("broker unavailable, job %s waits for the next sweep: %s", job_id, error)


def ring_chunks(chunk_ids: Iterable[int]) -> None:
    try:
        with compute_chunk.app.producer_or_acquire() as producer:  # one connection for all
            for chunk_id in chunk_ids:
                compute_chunk.apply_async((chunk_id,), producer=producer)
    except OperationalError as error:
        logger.error("broker unavailable, chunks wait for the next sweep: %s", error)
