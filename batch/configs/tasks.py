"""The Celery tasks of scheduled runs: take ids, make one service call, enqueue what it returns."""

import logging
import uuid
from collections.abc import Iterable

from celery import Task, shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from batch.configs import claims, on_ticks, publishing, runs, starting, sweeping
from batch.events import Event, log_event
from realtime.core.names import Names
from signals.configs.core.results import Source


@shared_task(name="batch.start_configs", ignore_result=True)
def start_configs() -> None:
    enqueue_runs(starting.start_due())


@shared_task(
    name="batch.run_configs",
    bind=True,
    autoretry_for=(Exception,),
    retry_backoff=1,  # seconds, doubled each time
    retry_jitter=False,
    max_retries=claims.MAX_ATTEMPTS,
)
def run_configs(self: Task, run_ids: list[int]) -> None:
    request = self.request
    runs.run_group(run_ids, again=request.retries > 0 or bool(request.delivery_info.get("redelivered")))


@shared_task(name="batch.compute_on_ticks", ignore_result=True)
def compute_on_ticks(
    configuration: str,
    version: int,
    labels: dict[str, list[str]],
    ticks: list[tuple[str, str, str]],
    source: str,
    namespace: str,
) -> None:
    on_ticks.compute_on_ticks(
        uuid.UUID(configuration), version, labels, ticks, source=Source(source), names=Names(namespace)
    )


@shared_task(name="batch.sweep_configs", ignore_result=True)
def sweep_configs() -> None:
    enqueue_runs(sweeping.find_stalled_runs())
    publishing.publish_left()


@shared_task(name="batch.expire_config_runs", ignore_result=True)
def expire_config_runs() -> None:
    sweeping.expire_runs()


def enqueue_runs(groups: Iterable[list[int]]) -> None:
    """Enqueue groups of runs, before the work of jobs. A broker that is down only delays them: the sweep finds them."""
    try:
        with run_configs.app.producer_or_acquire() as producer:  # one connection for all of them
            for group in groups:
                run_configs.apply_async((group,), producer=producer, queue=settings.CELERY_URGENT_QUEUE)
    except OperationalError as error:
        log_event(Event.BROKER_UNAVAILABLE, level=logging.ERROR, error=error)
