"""Sign-ins to the API."""

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
