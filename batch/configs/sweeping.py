"""Find runs that nobody works on, and delete old runs and versions."""

import time

from django.conf import settings
from django.db import connection, transaction

from batch.configs.claims import LEASE_SECONDS
from batch.configs.groups import TO_GROUP, Work, divided
from batch.events import Event, log_event

PATIENCE_SECONDS = 8
"""Of a run that waits. It may still be in a queue: then its second task finds nothing to do. One whose process died
waits again, so that it is enqueued once for each time that it is given up."""
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
    UPDATE signal_configuration_runs r SET state = 'waiting', claimed_at = now()
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
# A subquery for each version: a join would read all results. PostgreSQL refuses the deletion without the setting.
_MAY_EXPIRE = "SET LOCAL signalsite.versions_expire = 'on'"
_OLD_VERSIONS = """
DELETE FROM signal_configuration_versions WHERE id IN (
    SELECT v.id FROM signal_configurations c JOIN signal_configuration_versions v ON v.configuration_id = c.id
    WHERE c.version > %(keep)s AND v.number <= c.version - %(keep)s
          AND (SELECT true FROM signal_configuration_runs r
               WHERE r.configuration_id = c.id AND r.version = v.number LIMIT 1) IS NULL
          AND (SELECT true FROM signal_configuration_results r
               WHERE r.configuration_id = c.id AND r.version = v.number LIMIT 1) IS NULL
    LIMIT %(most)s)
"""


def find_stalled_runs() -> Work:
    """Return the runs whose task was lost or whose process died. The caller must enqueue them.

    A run that was tried before is on its own, so that it can take no other along.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STALLED, {"patience": PATIENCE_SECONDS, "lease": LEASE_SECONDS, "most": MOST_RUNS})
        found = cursor.fetchall()
    if found:
        log_event(Event.RUN_REQUEUED, len(found))
    first, tried = ([row[1:] for row in found if row[0] is before] for before in (False, True))
    work, again = divided(first), divided(tried, alone=True)
    return Work(work.groups + again.groups, list({*work.owners, *again.owners}))


def expire_runs() -> int:
    """Delete runs that ended and were due more than CONFIG_RUNS_KEEP_DAYS ago, and those of deleted configurations.

    Returns how many. What is left after EXPIRE_SECONDS waits for the next call.
    """
    until = time.monotonic() + EXPIRE_SECONDS
    keep = settings.CONFIG_RUNS_KEEP_DAYS * 86_400
    return sum(_in_portions(statement, keep, until) for statement in (_EXPIRED, _ORPHANS))


def expire_versions() -> int:
    """Delete versions that are not among the newest CONFIG_VERSIONS_KEEP and that no run or result names.

    Returns how many. What is left after EXPIRE_SECONDS waits for the next call.
    """
    if not settings.CONFIG_VERSIONS_KEEP:
        return 0
    return _in_portions(_OLD_VERSIONS, settings.CONFIG_VERSIONS_KEEP, time.monotonic() + EXPIRE_SECONDS)


def _in_portions(statement: str, keep: float, until: float) -> int:
    deleted, gone = 0, MOST_DELETED
    while gone == MOST_DELETED and time.monotonic() < until:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_MAY_EXPIRE)
            cursor.execute(statement, {"keep": keep, "most": MOST_DELETED})
            gone = cursor.rowcount
        deleted += gone
    return deleted
