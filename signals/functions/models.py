"""Users' functions, their versions, and the log of what was done with them."""

import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from signals.functions.core.naming import NAME

SHOWN_DIGEST = 12  # characters


class UserFunction(models.Model):
    """A function that a user uploaded, under a name that is unique among the user's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.TextField(
        validators=[RegexValidator(rf"^{NAME}\Z", "1 to 64 characters of a-z, 0-9 and _, the first a letter.")]
    )
    description = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["owner", "name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="user_function_name")]

    def __str__(self) -> str:
        return self.name


class FunctionVersion(models.Model):
    """One source of a function. It never changes: PostgreSQL refuses an UPDATE (migration 0006)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    function = models.ForeignKey(UserFunction, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    digest = models.TextField(help_text="SHA-256 of the source.")
    source = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["function", "-number"]
        constraints = [models.UniqueConstraint(fields=["function", "number"], name="function_version_number")]

    def __str__(self) -> str:
        return f"version {self.number}"


class FunctionRun(models.Model):
    """One thing that was done: an upload, a dry run, or a chunk of a job. Kept for FUNCTIONS_LOG_DAYS."""

    class Action(models.TextChoices):
        UPLOAD = "upload"
        DELETE = "delete"
        DRY_RUN = "dry_run"
        JOB = "job"

    id = models.BigAutoField(primary_key=True)
    time = models.DateTimeField(db_index=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.TextField(blank=True, help_text="The function's, empty for a source that was tried without one.")
    digest = models.TextField(help_text="SHA-256 of the source.")
    action = models.TextField(choices=Action.choices)
    calls = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    milliseconds = models.FloatField()
    error = models.TextField(blank=True, help_text="The first one.")

    class Meta:
        ordering = ["-time"]

    def __str__(self) -> str:
        return f"{self.action} of {self.name or self.digest[:SHOWN_DIGEST]}"
