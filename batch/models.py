"""Django finds the models of the rooms here; what all rooms count is kept here too."""

from django.db import models

from batch.jobs.models import Chunk, IdempotencyKey, Job
from batch.webhooks.models import WebhookDelivery, WebhookEvent

__all__ = ["Chunk", "EventCount", "IdempotencyKey", "Job", "WebhookDelivery", "WebhookEvent"]


class EventCount(models.Model):
    """How often something has happened that operators want to know of, over all processes and restarts."""

    name = models.TextField(primary_key=True)
    count = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.count}"
