"""What retention has done."""

from django.db import models


class Retention(models.Model):
    """How many rows of a table were removed because of their age, by the task of beat. TimescaleDB's jobs count theirs.

    `finished_at`: when nothing that is due was left.
    """

    table = models.TextField(primary_key=True)
    removed = models.BigIntegerField(default=0, help_text="Rows, or chunks of a hypertable, since the beginning.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "timeframes_retention"

    def __str__(self) -> str:
        return self.table
