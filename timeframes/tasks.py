"""The Celery tasks of the app."""

from celery import shared_task
from django.db import connection
from django.utils import timezone

from timeframes.bars import changes, lookup
from timeframes.storage import retention
from timeframes.storage.ensure import ensure_policies

EXPIRE_SECONDS = 20.0  # of the task's time limit of 60


@shared_task(name="timeframes.expire", ignore_result=True)
def expire() -> None:
    """Remove what is older than the settings allow. What one run does not reach, another one does at once."""
    ensure_policies(connection)
    if retention.expire(seconds=EXPIRE_SECONDS):
        expire.delay()


@shared_task(name="timeframes.warm_bars", ignore_result=True)
def warm_bars() -> None:
    lookup.warm(timezone.now)


@shared_task(name="timeframes.forget_bar_changes", ignore_result=True)
def forget_bar_changes() -> None:
    changes.forget_settled()
