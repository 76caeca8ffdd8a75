"""Webhooks: what was sent, or is to be."""

import uuid

from django.db import models
from django.db.models.functions import Now

from batch.jobs.models import Job
from signalsite.foundation.stored_json import StoredJSONField


class WebhookDelivery(models.Model):
    """What was sent to a job's webhook, or is to be: one row a job, with the log of its attempts."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"  # given up

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, help_text="The webhook-id header.")
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="webhook_delivery")
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempts_before = models.PositiveSmallIntegerField(default=0, help_text="Those of them before it was sent again.")
    next_attempt_at = models.DateTimeField(db_default=Now())
    log = StoredJSONField(default=list, help_text="One entry an attempt: at, status_code or error, seconds.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["next_attempt_at"], name="webhook_due", condition=models.Q(status="pending")),
        ]

    def __str__(self) -> str:
        return f"webhook of {self.job_id}"
