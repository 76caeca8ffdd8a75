"""Deletes old usage, in small batches, so that locks are short."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

BATCH = 10_000
_DELETE = """
DELETE FROM signal_api_metrics WHERE ctid IN (
    SELECT ctid FROM signal_api_metrics WHERE minute < %s ORDER BY minute LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


def forget_old(now: datetime, *, most: int = 500_000) -> int:
    """Delete usage of more than API_METRICS_DAYS ago, and return how many rows. The rest is left to the next call."""
    removed = 0
    with connection.cursor() as cursor:
        while removed < most:
            cursor.execute(_DELETE, [now - timedelta(days=settings.API_METRICS_DAYS), BATCH])
            removed += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    return removed
