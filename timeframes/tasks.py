"""Celery tasks of bars."""

from celery import shared_task
from django.utils import timezone

from timeframes.bars import changes, lookup


@shared_task(name="timeframes.warm_bars", ignore_result=True)
def warm_bars() -> None:
    lookup.warm(timezone.now)


@shared_task(name="timeframes.forget_bar_changes", ignore_result=True)
def forget_bar_changes() -> None:
    changes.forget_settled()
