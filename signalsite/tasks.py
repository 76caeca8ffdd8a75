"""Celery tasks of the site."""

from celery import shared_task
from django.utils import timezone

from signalsite.accounts import sign_ins
from signalsite.usage import retention


@shared_task(name="signalsite.forget_expired_sign_ins", ignore_result=True)
def forget_expired_sign_ins() -> None:
    sign_ins.forget_expired(timezone.now())


@shared_task(name="signalsite.forget_old_usage", ignore_result=True)
def forget_old_usage() -> None:
    retention.forget_old(timezone.now())
