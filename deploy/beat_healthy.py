"""Health check of the beat container: exit status 0 when beat has written within ten minutes what it has run.

Beat saves that every three minutes.
"""

import os
import sys

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as connection:
    row = connection.execute(
        "SELECT max(last_run_at) > now() - interval '10 minutes' FROM django_celery_beat_periodictask WHERE enabled"
    ).fetchone()
sys.exit(0 if row and row[0] else 1)
