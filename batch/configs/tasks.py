"""The Celery tasks of scheduled runs: take ids, make one service call, enqueue what it returns."""

import logging
import uuid

import redis
from celery import Task, shared_task
from kombu.exceptions import OperationalError

from batch.configs import claims, clock_jumps, on_ticks, publishing, runs, starting, sweeping, turns
from batch.configs.groups import Work
from batch.events import Event, log_event
from realtime.core.names import Names


@shared_task(name="batch.start_configs", ignore_result=True)
def start_configs() -> None:
    enqueue(starting.start_due())


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


@shared_task(name="batch.take_turn", ignore_result=True)
def take_turn(owner: int) -> None:
    if turns.unmark(owner) and turns.take_turn(owner):
        enqueue(Work([], [owner]))


@shared_task(name="batch.compute_on_ticks", ignore_result=True)
def compute_on_ticks(
    configuration: str,
    version: int,
    labels: dict[str, list[str]],
    ticks: list[tuple[str, str, str]],
    group: str,
) -> None:
    on_ticks.compute_on_ticks(uuid.UUID(configuration), version, labels, ticks, names=Names(group=group))


@shared_task(name="batch.sweep_configs", ignore_result=True)
def sweep_configs() -> None:
    enqueue(sweeping.find_stalled_runs())
    publishing.publish_left()


@shared_task(name="batch.expire_config_runs", ignore_result=True)
def expire_config_runs() -> None:
    clock_jumps.bring_forward()
    sweeping.expire_runs()
    sweeping.expire_versions()


def enqueue(work: Work) -> None:
    """Enqueue runs, before the work of jobs. A broker that is down only delays them: the sweep finds them."""
    try:
        with run_configs.app.producer_or_acquire() as producer:  # one connection for all of them
            for group in work.groups:
                run_configs.apply_async((group,), producer=producer)
            for owner in filter(turns.mark, work.owners):
                take_turn.apply_async((owner,), producer=producer)
    except (OperationalError, redis.RedisError) as error:
        log_event(Event.BROKER_UNAVAILABLE, level=logging.ERROR, error=error)
