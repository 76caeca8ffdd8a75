"""Webhook events, and what became of their delivery."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from signalsite.foundation.stored_json import StoredJSONField


class WebhookEvent(models.Model):
    """One message for one receiver. It never changes: every attempt sends the same bytes under the same id.

    Nothing here knows what the event is about. `subject_model` and `subject_id` name that object, so that the admin
    can link to it and the event can go when it goes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, help_text="The webhook-id header.")
    key = models.TextField(unique=True, help_text="Publishing again under the same key changes nothing.")
    type = models.TextField(help_text="What happened, such as batch.completed.")
    subject_model = models.TextField(help_text="The model of the object that the event is about, such as batch.job.")
    subject_id = models.TextField(help_text="The primary key of that object.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    url = models.TextField()
    secret = models.TextField()
    payload = models.TextField(help_text="The body of the request, exactly as it is signed and sent.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["subject_id", "subject_model"], name="webhook_subject")]

    def __str__(self) -> str:
        return f"{self.type} {self.subject_id}"


class WebhookDelivery(models.Model):
    """The delivery of one event: its state, and the log of its attempts."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"  # given up

    event = models.OneToOneField(WebhookEvent, on_delete=models.CASCADE, primary_key=True, related_name="delivery")
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempts_before = models.PositiveSmallIntegerField(default=0, help_text="Attempts before staff sent it again.")
    next_attempt_at = models.DateTimeField(db_default=Now())
    log = StoredJSONField(default=list, help_text="One entry for each attempt: at, status_code or error, seconds.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["next_attempt_at"], name="webhook_due", condition=models.Q(status="pending")),
        ]

    def __str__(self) -> str:
        return f"webhook {self.event_id}"
