"""Find runs that nobody works on, and delete old ones."""

import time

from django.conf import settings
from django.db import connection

from batch.configs.claims import LEASE_SECONDS
from batch.configs.groups import TO_GROUP, grouped
from batch.events import Event, log_event

PATIENCE_SECONDS = 8
"""Of a run that waits. It may still be in a queue: then its second task finds nothing to do."""
MOST_RUNS, MOST_DELETED = 1000, 10_000
EXPIRE_SECONDS = 20.0
_STALLED = f"""
WITH stalled AS (
    SELECT r.id FROM signal_configuration_runs r
    WHERE r.state IN ('waiting', 'running')
          AND r.claimed_at < now() - make_interval(secs => CASE WHEN r.state = 'waiting' THEN %(patience)s
                                                                ELSE %(lease)s END)
    ORDER BY r.due, r.id LIMIT %(most)s FOR UPDATE SKIP LOCKED
), noted AS (
    UPDATE signal_configuration_runs r
    SET claimed_at = CASE WHEN r.state = 'waiting' THEN now() ELSE r.claimed_at END
    FROM stalled WHERE r.id = stalled.id RETURNING r.id, r.configuration_id, r.attempt
)
SELECT noted.attempt > 0, noted.id, {TO_GROUP}
FROM noted JOIN signal_configurations c ON c.id = noted.configuration_id
"""
_EXPIRED = """
DELETE FROM signal_configuration_runs WHERE id IN (
    SELECT id FROM signal_configuration_runs
    WHERE due < now() - make_interval(secs => %(keep)s) AND state NOT IN ('waiting', 'running')
    ORDER BY due LIMIT %(most)s)
"""
_ORPHANS = """
DELETE FROM signal_configuration_runs WHERE id IN (
    SELECT r.id FROM signal_configuration_changes c JOIN signal_configuration_runs r USING (configuration_id)
    WHERE c.after IS NULL LIMIT %(most)s)
"""


def find_stalled_runs() -> list[list[int]]:
    """Return the runs whose task was lost or whose process died, in groups. The caller must enqueue them.

    A run that was tried before is on its own, so that it can take no other along.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STALLED, {"patience": PATIENCE_SECONDS, "lease": LEASE_SECONDS, "most": MOST_RUNS})
        found = cursor.fetchall()
    if found:
        log_event(Event.RUN_REQUEUED, len(found))
    first, tried = ([row[1:] for row in found if row[0] is before] for before in (False, True))
    return grouped(first) + grouped(tried, alone=True)


def expire_runs() -> int:
    """Delete runs that ended and were due more than CONFIG_RUNS_KEEP_DAYS ago, and those of deleted configurations.

    Returns how many. What is left after EXPIRE_SECONDS waits for the next call.
    """
    until, deleted = time.monotonic() + EXPIRE_SECONDS, 0
    values = {"keep": settings.CONFIG_RUNS_KEEP_DAYS * 86_400, "most": MOST_DELETED}
    for statement in (_EXPIRED, _ORPHANS):
        gone = MOST_DELETED
        while gone == MOST_DELETED and time.monotonic() < until:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                gone = cursor.rowcount
            deleted += gone
    return deleted
