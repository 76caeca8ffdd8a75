"""The Celery tasks of the app."""

from celery import shared_task
from django.utils import timezone

from signals.functions import services as functions


@shared_task(name="signals.forget_function_runs", ignore_result=True)
def forget_function_runs() -> None:
    functions.forget_old_runs(timezone.now())
