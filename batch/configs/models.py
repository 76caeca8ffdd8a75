"""Runs whose results are stored and have not been published yet."""

from django.db import models
from django.db.models.functions import Now


class UnpublishedRun(models.Model):
    """An outbox: written with a run's results, in their transaction, and deleted when they are published."""

    run = models.BigIntegerField(primary_key=True)
    since = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "batch_unpublished_runs"

    def __str__(self) -> str:
        return f"run {self.run}"
