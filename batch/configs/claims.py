"""Claim runs under an attempt number and PostgreSQL's clock, keep them while they compute, and give them back."""

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from batch.configs.counting import count_ended
from batch.events import Event, log_event
from signalsite.foundation.stored_json import read_json

logger = logging.getLogger(__name__)

LEASE_SECONDS = 10
HEARTBEAT_SECONDS = 3
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RunClaim:
    """`document`: what is stored, or Unreadable."""

    run: int
    attempt: int
    due: datetime
    configuration: uuid.UUID
    name: str
    version: int
    owner_id: int
    document: Any


# Lateness counts from when the run should start: at its due moment, or so much later that the bar is stored.
_CLAIM = """
WITH free AS (
    SELECT r.id FROM signal_configuration_runs r
    WHERE r.id = ANY(%(runs)s)
          AND (r.state = 'waiting' OR r.state = 'running' AND r.claimed_at < now() - make_interval(secs => %(lease)s))
    ORDER BY r.id FOR UPDATE SKIP LOCKED
), found AS (
    SELECT r.id, c.version, c.name, c.owner_id, c.document,
           greatest(extract(epoch FROM now() - r.due)::float8 * 1000
                    - CASE WHEN c.interval <> '' THEN %(delay)s * 1000 ELSE 0 END, 0) AS lateness,
           CASE WHEN NOT c.active THEN format('the configuration was set inactive before it %%s', started_or_ended)
                WHEN NOT u.is_active THEN format('the account of its owner was closed before it %%s', started_or_ended)
                WHEN r.attempt = 0 AND r.due < now() - make_interval(secs => %(late)s)
                    THEN format('no worker was free for %%s s', %(late)s)
                WHEN r.attempt >= %(most)s
                    THEN format('tried %%s times: its process ended, or the log has an error', r.attempt)
                ELSE '' END AS why
    FROM free JOIN signal_configuration_runs r ON r.id = free.id
              JOIN signal_configurations c ON c.id = r.configuration_id JOIN auth_user u ON u.id = c.owner_id
              CROSS JOIN LATERAL (SELECT CASE WHEN r.attempt = 0 THEN 'started' ELSE 'ended' END) AS b(started_or_ended)
)
UPDATE signal_configuration_runs r
SET attempt = CASE WHEN why = '' THEN r.attempt + 1 ELSE r.attempt END,
    state = CASE WHEN why = '' THEN 'running' WHEN r.attempt = 0 THEN 'missed' ELSE 'failed' END,
    error = why, version = found.version, claimed_at = now(),
    finished_at = CASE WHEN why <> '' THEN now() END,
    started_at = CASE WHEN why = '' THEN coalesce(r.started_at, now()) ELSE r.started_at END,
    lateness_ms = CASE WHEN why = '' THEN coalesce(r.lateness_ms, found.lateness) ELSE r.lateness_ms END
FROM found WHERE r.id = found.id
RETURNING r.id, r.attempt, r.due, r.configuration_id, found.name, found.version, found.owner_id,
          found.document::text, r.state
"""
# Rows are locked in the order of their ids, as in `_CLAIM` and where runs end, so that no two wait for each other.
OURS = """
    SELECT r.id, ours.* FROM {ours} JOIN signal_configuration_runs r ON r.id = ours.run AND r.attempt = ours.attempt
    WHERE r.state = 'running' ORDER BY r.id FOR UPDATE OF r
"""
_OURS = OURS.format(ours="unnest(%s::bigint[], %s::int[]) AS ours(run, attempt)")
_EXTEND = f"""
WITH locked AS ({_OURS})
UPDATE signal_configuration_runs r SET claimed_at = now() FROM locked WHERE r.id = locked.id
"""
_GIVE_BACK = f"""
WITH locked AS ({_OURS})
UPDATE signal_configuration_runs r SET state = 'waiting', claimed_at = now() FROM locked WHERE r.id = locked.id
"""


def claim(runs: Sequence[int]) -> list[RunClaim]:
    """Claim those of the runs that are free. Others are done, or another process has them.

    One that has waited too long becomes `missed` here, and one whose processes died too often `failed`.
    """
    values: dict[str, Any] = {
        "runs": list(runs),
        "lease": LEASE_SECONDS,
        "most": MAX_ATTEMPTS,
        "late": settings.CONFIG_LATE_SECONDS,
        "delay": settings.CONFIG_BAR_DELAY_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        found = cursor.fetchall()
    claims = [
        RunClaim(run, attempt, due, configuration, name, version, owner_id, read_json(document))
        for run, attempt, due, configuration, name, version, owner_id, document, state in found
        if state == "running"
    ]
    count_ended((row[-1], None) for row in found if row[-1] != "running")
    for event, count in (
        (Event.RUN_TAKEN_OVER, sum(each.attempt > 1 for each in claims)),
        (Event.RUN_MISSED, sum(row[-1] == "missed" for row in found)),
        (Event.RUN_GIVEN_UP, sum(row[-1] == "failed" for row in found)),
    ):
        if count:
            log_event(event, count)
    return claims


@contextmanager
def kept(claims: Sequence[RunClaim]) -> Iterator[None]:
    """Keep the claims while the body runs. When it raises, give them back, so that the next attempt need not wait."""
    ours = _identities(claims)
    stop = threading.Event()

    def extend() -> None:
        try:
            while not stop.wait(HEARTBEAT_SECONDS):
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(_EXTEND, ours)
                except (DatabaseError, InterfaceError) as error:
                    # The next one may succeed. If none does, another attempt takes over and ours is refused.
                    logger.warning("%d runs of configurations: heartbeat failed: %s", len(claims), error)
                    connection.close()
        finally:
            connection.close()  # each thread has its own

    thread = threading.Thread(target=extend, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        give_back(claims)
        raise
    finally:
        stop.set()
        thread.join()


def give_back(claims: Sequence[RunClaim]) -> None:
    """Let runs wait again. Those that are not ours any more stay as they are."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, _identities(claims))
    except DatabaseError as error:  # the sweep finds them when the lease is over
        logger.warning("%d runs of configurations could not be given back: %s", len(claims), error)


def _identities(claims: Sequence[RunClaim]) -> tuple[list[int], list[int]]:
    return [each.run for each in claims], [each.attempt for each in claims]
