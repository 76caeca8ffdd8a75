"""What the admin's first page says of the service: queue, jobs, ticks, sockets and the last errors.

Every question is bounded in rows and in time, and each of the two servers may be away: the page then says so.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Count
from django.utils import timezone

from batch.jobs.models import Job
from batch.webhooks.models import WebhookDelivery
from realtime.configs.core.refusals import DEAD_LETTERS as CONFIG_DEAD_LETTERS
from realtime.core.names import Names
from realtime.sockets.metrics import TOTALS
from signalsite.foundation.redis import client
from timeframes.core.tick_stream import TICK_STREAM, underlying_of

logger = logging.getLogger(__name__)

STATEMENT_MILLISECONDS = 1000
MOST_STREAMS, SCANS, SCAN_KEYS = 20, 10, 1000
MOST_ERRORS = 5
RECENT = timedelta(hours=24)
CONFIG_GROUP = "signals"


@dataclass(frozen=True, slots=True)
class Lag:
    underlying: str
    waiting: int | None  # entries that no consumer has read; None where Redis cannot tell
    pending: int  # read, and not acknowledged


@dataclass(frozen=True, slots=True)
class Dashboard:
    queues: Mapping[str, int] | None  # None: Redis did not answer
    lags: Sequence[Lag] | None
    dead_letters: int | None
    configs: Lag | None  # messages of configurations; None as well where there is no such stream
    refused_configs: int | None
    rejected: Sequence[Mapping[str, str]]
    open_jobs: Mapping[str, int] | None  # None: PostgreSQL did not answer in time
    recent_jobs: Mapping[str, int] | None
    failed_jobs: Sequence[Job]
    given_up: Sequence[WebhookDelivery]
    sockets: int


def read_dashboard() -> Dashboard:
    return Dashboard(**_from_redis(), **_from_database(), sockets=TOTALS.connections)


def _from_redis() -> dict[str, Any]:
    server = client(settings.REDIS_URL)
    try:
        names = list(settings.CELERY_TASK_QUEUES)
        with server.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.llen(name)
            pipeline.xlen(Names().dead_letters)
            pipeline.xrevrange(Names().dead_letters, count=MOST_ERRORS)
            *lengths, dead, newest = pipeline.execute()
        lags = _lags(server)
        configs, refused = _configs(server)
    except redis.RedisError as error:
        logger.warning("the admin's first page does not reach Redis: %s", error)
        nothing = dict.fromkeys(("queues", "lags", "dead_letters", "configs", "refused_configs"))
        return {**nothing, "rejected": ()}
    rejected = [{_text(name): _text(value)[:200] for name, value in fields.items()} for _, fields in newest]
    return {
        "queues": dict(zip(names, lengths, strict=True)),
        "lags": lags,
        "dead_letters": dead,
        "configs": configs,
        "refused_configs": refused,
        "rejected": rejected,
    }


def _configs(server: "redis.Redis") -> tuple[Lag | None, int | None]:
    """Return what waits in the stream of configurations, and how many messages were refused lately."""
    with server.pipeline(transaction=False) as pipeline:
        pipeline.xinfo_groups(settings.CONFIG_STREAM)
        pipeline.xlen(CONFIG_DEAD_LETTERS)
        groups, refused = pipeline.execute(raise_on_error=False)  # there may be no such stream
    known = groups if isinstance(groups, list) else []
    mine = next((each for each in known if _text(each["name"]) == CONFIG_GROUP), None)
    lag = Lag(settings.CONFIG_STREAM, mine.get("lag"), mine["pending"]) if mine else None
    return lag, refused if isinstance(refused, int) else None


def _lags(server: "redis.Redis") -> list[Lag]:
    """Of some streams where there are many: the keyspace is looked through for a while only."""
    streams: set[bytes] = set()
    cursor = 0
    for _ in range(SCANS):
        cursor, found = cast(
            "tuple[int, list[bytes]]", server.scan(cursor, f"{TICK_STREAM}*", SCAN_KEYS, _type="stream")
        )
        streams.update(found)
        if cursor == 0 or len(streams) >= MOST_STREAMS:
            break
    chosen = sorted(streams)[:MOST_STREAMS]
    with server.pipeline(transaction=False) as pipeline:
        for stream in chosen:
            pipeline.xinfo_groups(stream)
        answers = pipeline.execute(raise_on_error=False)  # one may have gone meanwhile
    lags = [
        Lag(underlying_of(_text(stream)), group.get("lag"), group["pending"])
        for stream, groups in zip(chosen, answers, strict=True)
        for group in (groups if isinstance(groups, list) else ())
        if _text(group["name"]) == settings.TICK_GROUP
    ]
    return sorted(lags, key=lambda lag: -(lag.waiting or 0) - lag.pending)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _from_database() -> dict[str, Any]:
    since = timezone.now() - RECENT
    ended, unfinished = Job.objects.filter(finished_at__gte=since), Job.objects.filter(finished_at=None)
    failed = Job.objects.filter(status=Job.Status.FAILED, finished_at__gte=since)
    given_up = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.FAILED)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MILLISECONDS}")
            return {
                "open_jobs": _by_status(unfinished),
                "recent_jobs": _by_status(ended),
                "failed_jobs": list(failed.only("kind", "error", "finished_at").order_by("-finished_at")[:MOST_ERRORS]),
                "given_up": list(given_up.order_by("-created_at")[:MOST_ERRORS]),
            }
    except DatabaseError as error:
        logger.warning("the admin's first page cannot be read from the database: %s", error)
        return {"open_jobs": None, "recent_jobs": None, "failed_jobs": (), "given_up": ()}


def _by_status(jobs: Any) -> dict[str, int]:
    return dict(jobs.order_by().values_list("status").annotate(number=Count("pk")).order_by("status"))
