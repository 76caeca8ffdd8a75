"""Jobs, their chunks and their results. The truth of a job is here, not in Celery."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Job(models.Model):
    """One computation over many items, as its caller asked for it."""

    class Status(models.TextChoices):
        VALIDATING = "validating", "Validating"  # accepted; its inputs are being resolved
        IN_PROGRESS = "in_progress", "In progress"
        COMPLETED = "completed", "Completed"  # every item has its row, be it a value or a reason
        FAILED = "failed", "Failed"  # the job as a whole could not be carried out; `error` says why
        CANCELLING = "cancelling", "Cancelling"
        CANCELLED = "cancelled", "Cancelled"

    TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    kind = models.TextField()
    status = models.TextField(choices=Status.choices, default=Status.VALIDATING)
    params = models.JSONField(default=dict, help_text="Every parameter with its default filled in.")
    selector = models.JSONField(null=True, blank=True, help_text="What was asked for, when it was not a list of items.")
    as_of = models.DateTimeField(
        null=True, blank=True, help_text="The instant computed for; null until it is resolved."
    )
    context = models.JSONField(default=dict, help_text="What the job's chunks share: for Greeks, the forwards.")
    error = models.TextField(blank=True)
    chunk_size = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0, help_text="Items with a value.")
    failed = models.PositiveIntegerField(default=0, help_text="Items with a reason instead.")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="job_of_owner"),
            models.Index(fields=["status", "created_at"], name="job_status"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Chunk(models.Model):
    """A run of a job's items that one task computes.

    A worker claims it under an attempt number; only the writer that still holds the number may store results, so a
    task that is delivered twice, or comes back from the dead, changes nothing.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField(help_text="From 0, in the order of the request.")
    first_position = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    items = models.JSONField(help_text="The items as columns (batch.core.items).")
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    worker = models.TextField(blank=True)
    rung_at = models.DateTimeField(null=True, blank=True, help_text="When the sweeper last enqueued it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="chunk_number")]
        indexes = [
            models.Index(fields=["lease_until"], condition=models.Q(status="running"), name="chunk_lease"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.job_id}"


class Result(models.Model):
    """The answer to one item. `body` is its JSON as the API gives it: encoded once by the worker, served verbatim."""

    pk = models.CompositePrimaryKey("job_id", "position")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="results", db_index=False)
    position = models.PositiveIntegerField(help_text="Place of the item in the request, from 0.")
    status = models.TextField()
    body = models.TextField()

    class Meta:
        ordering = ["job", "position"]
        indexes = [models.Index(fields=["job", "status", "position"], name="result_status")]

    def __str__(self) -> str:
        return f"item {self.position} of {self.job_id}"
