"""Celery tasks of real time."""

from celery import shared_task
from django.conf import settings

from realtime.sockets import listing

MISSED = 6  # intervals without a word, after which a process is dead


@shared_task(name="realtime.forget_dead_sockets", ignore_result=True)
def forget_dead_sockets() -> None:
    listing.forget_dead(MISSED * max(settings.WEBSOCKET_LISTED_SECONDS, 1.0))
