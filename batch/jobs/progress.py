"""Publish the progress of jobs to sockets: a few states a second in a Redis stream, and always the last one.

This is best effort. If Redis is down, a chunk loses nothing, and one line is logged.
"""

import logging
import time
import uuid
from datetime import datetime
from typing import Literal

import msgspec
import orjson
import redis
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model

from batch.jobs.models import Job
from batch.jobs.permissions import may_see
from realtime.core.topic_grammar import JOB, job_topic, read_job
from realtime.sockets.topics import Feed, Forbidden, Reader, TopicType, register
from realtime.topic_streams import publish
from signalsite.foundation.redis import client

logger = logging.getLogger(__name__)

STREAM = "signal_job_stream"
MAXLEN = 10_000
EVERY_MS = 250  # between two states of a job
SILENT_SECONDS = 5.0  # after an error of Redis
_FIELDS = ("id", "owner_id", "status", "total", "completed", "failed", "error", "started_at", "finished_at")
_silent_until = 0.0


class JobCounts(msgspec.Struct):
    """Items of a job: `completed` have a value, `failed` a reason instead."""

    total: int
    completed: int
    failed: int


class JobProgress(msgspec.Struct):
    """The state of topic job:ID. `progress`: share of the items with an answer, 0 to 1."""

    id: uuid.UUID
    status: Literal[tuple(Job.Status.values)]  # type: ignore[valid-type]
    done: bool
    request_counts: JobCounts
    progress: float
    error: str
    started_at: datetime | None
    finished_at: datetime | None


def publish_state(job_id: uuid.UUID, *, at_once: bool = False) -> None:
    """Publish the job's committed state; call this after the commit. `at_once`: do not throttle."""
    global _silent_until
    if time.monotonic() < _silent_until and not at_once:
        return
    try:
        throttle = client(settings.REDIS_URL).set(f"job_progress:{job_id}", b"", nx=True, px=EVERY_MS)
        if throttle or at_once:
            _publish(job_id)
    except redis.RedisError as error:
        _silent_until = time.monotonic() + SILENT_SECONDS
        logger.warning("progress of jobs is not published for %g s: %s", SILENT_SECONDS, error)


def _publish(job_id: uuid.UUID) -> None:
    """Publish the state; publish it again if the job ended meanwhile, because the end must come last."""
    while (job := _read(job_id)) is not None:
        publish(STREAM, {job_topic(job_id): _state(job)}, maxlen=MAXLEN)
        if job.status in Job.TERMINAL or not _has_ended(job_id):
            return


def _read(job_id: uuid.UUID) -> Job | None:
    return Job.objects.only(*_FIELDS).filter(pk=job_id).first()


def _has_ended(job_id: uuid.UUID) -> bool:
    return Job.objects.filter(pk=job_id, status__in=Job.TERMINAL).exists()


def _state(job: Job) -> bytes:
    done = job.status in Job.TERMINAL
    answered = job.completed + job.failed
    state = JobProgress(
        id=job.pk,
        status=job.status,
        done=done,
        request_counts=JobCounts(job.total, job.completed, job.failed),
        progress=1.0 if done else answered / job.total if job.total else 0.0,
        error=job.error,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )
    return orjson.dumps(state, default=msgspec.structs.asdict)


# --- the topic job:<id> -----------------------------------------------------------------------------------------------


def _locate(topic: str) -> Feed:
    read_job(topic)
    return Feed(STREAM)


@database_sync_to_async
def _authorise(reader: Reader, topic: str) -> None:
    """Admit the same users as over HTTP. For all others, the job does not exist."""
    user = get_user_model().objects.filter(pk=reader.user_id, is_active=True).first()
    job = Job.objects.only("owner_id").filter(pk=read_job(topic)).first()
    if user is None or job is None or not may_see(user, job):
        raise Forbidden("there is no such job")


@database_sync_to_async
def _current(topic: str) -> bytes | None:
    job = _read(read_job(topic))
    return None if job is None else _state(job)


def register_topic() -> None:
    register(JOB, TopicType(_locate, _authorise, _current, state=lambda: JobProgress))
