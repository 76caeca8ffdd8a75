"""The models of all rooms, for Django to find, and the event counts that they share."""

from django.db import models

from batch.configs.models import UnpublishedRun
from batch.jobs.models import Chunk, IdempotencyKey, Job
from batch.webhooks.models import WebhookDelivery, WebhookEvent

__all__ = ["Chunk", "EventCount", "IdempotencyKey", "Job", "UnpublishedRun", "WebhookDelivery", "WebhookEvent"]


class EventCount(models.Model):
    """How often an event was logged, over all processes and restarts."""

    name = models.TextField(primary_key=True)
    count = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.count}"
