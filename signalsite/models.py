"""Sign-ins to the API, and its usage."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SignIn(models.Model):
    """One sign-in to the API, and its one refresh token that may be used next. Deleting the row ends the sign-in.

    Every token of the sign-in carries its id in the claim `sid`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    current = models.TextField(help_text="The id (jti) of the refresh token that may be used next.")
    previous = models.TextField(blank=True, help_text="The id of the one before.")
    created_at = models.DateTimeField(db_default=Now())
    renewed_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(help_text="When the current token expires.")

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="sign_in_expires")]

    def __str__(self) -> str:
        return f"sign-in {self.id}"


class ApiMetric(models.Model):
    """How many requests of a user to an endpoint were answered with a status in one minute.

    No foreign key: what a deleted user has used stays.
    """

    minute = models.DateTimeField(help_text="The beginning of the minute.")
    user_id = models.BigIntegerField(help_text="0: a request without a user.")
    endpoint = models.TextField(help_text="The pattern of the route, never the address; (other) for all others.")
    method = models.TextField()
    status = models.TextField(help_text="2xx, 3xx, 4xx or 5xx.")
    requests = models.BigIntegerField()
    seconds = models.FloatField(help_text="Until the answers began, in sum.")
    slowest = models.FloatField(help_text="Seconds of the slowest.")

    class Meta:
        db_table = "signal_api_metrics"
        constraints = [
            models.UniqueConstraint(
                fields=["minute", "user_id", "endpoint", "method", "status"], name="api_metric_of_minute"
            )
        ]

    def __str__(self) -> str:
        return f"{self.minute.isoformat()} {self.user_id} {self.method} {self.endpoint} {self.status}"
