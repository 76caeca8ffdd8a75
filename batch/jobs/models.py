"""Jobs, their chunks, and the answers. The state of a job is kept here, not in Celery."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from signalsite.foundation.stored_json import StoredJSONField


class Job(models.Model):
    """One computation over many items, as its caller asked for it."""

    class Status(models.TextChoices):
        VALIDATING = "validating", "Validating"  # accepted; preparation resolves its inputs
        IN_PROGRESS = "in_progress", "In progress"
        COMPLETED = "completed", "Completed"  # every item has a row: a value or a reason
        FAILED = "failed", "Failed"  # the job as a whole failed; `error` says why
        CANCELLING = "cancelling", "Cancelling"
        CANCELLED = "cancelled", "Cancelled"

    TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    kind = models.TextField()
    status = models.TextField(choices=Status.choices, default=Status.VALIDATING)
    params = StoredJSONField(default=dict, help_text="Every parameter, with defaults filled in.")
    selector = StoredJSONField(
        null=True, blank=True, help_text="The rule that selects the items, if the caller gave no list."
    )
    as_of = models.DateTimeField(null=True, blank=True, help_text="The instant computed for; null until resolved.")
    context = StoredJSONField(default=dict, help_text="What all chunks share: for Greeks, the forwards.")
    error = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="How often preparation has started.")
    chunk_size = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0, help_text="Items with a value.")
    failed = models.PositiveIntegerField(default=0, help_text="Items with a reason instead.")
    retry_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="retries",
        help_text="The job whose failed items this one retries.",
    )
    reused_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="reuses",
        help_text="The earlier job whose answers this one has.",
    )
    reuse = models.BooleanField(default=True, help_text="Whether an earlier job with the same inputs may answer.")
    request_digest = models.TextField(
        blank=True, help_text="Digest of kind, items, parameters, instant and engine version."
    )
    webhook_url = models.TextField(blank=True, help_text="Receives a webhook when the job ends.")
    webhook_secret = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="job_of_owner"),
            models.Index(fields=["status", "created_at"], name="job_status"),
            models.Index(fields=["finished_at"], name="job_finished"),
            models.Index(fields=["request_digest"], name="job_digest", condition=models.Q(status="completed")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Chunk(models.Model):
    """A run of a job's items that one task computes.

    A worker claims it under an attempt number, and stores results only while that number is current. So a task that
    is delivered twice, or that resumes late, changes nothing.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField(help_text="From 0, in the order of the request.")
    first_position = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    item_block = models.BinaryField(help_text="The items as a block of columns.")
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    task_id = models.TextField(blank=True, help_text="Celery's id of the last task that claimed it.")
    worker = models.TextField(blank=True)
    digest = models.TextField(blank=True, help_text="Digest of the inputs of its answers.")
    requeued_at = models.DateTimeField(null=True, blank=True, help_text="When the sweep last enqueued it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    rows = models.PositiveIntegerField(default=0, help_text="Number of answer rows.")
    status_counts = models.JSONField(default=dict, help_text="Number of answer rows by status word.")
    answer_block = models.BinaryField(
        null=True, help_text="The answers as a block of columns (batch.jobs.core.answers)."
    )

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="chunk_number")]
        indexes = [
            models.Index(fields=["lease_until"], condition=models.Q(status="running"), name="chunk_lease"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.job_id}"


class IdempotencyKey(models.Model):
    """The response to the first submission under a caller's key. A repeated submission gets it again."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.TextField()
    request_digest = models.TextField(help_text="Digest of method, path and body: a key belongs to one request.")
    status_code = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    location = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return self.key
