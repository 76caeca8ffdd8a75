"""A thousand schedules in the service under fault, and the check that each due moment has its one row."""

import json
import time
import uuid
from typing import Any

import psycopg

from tests.faults.site import Site, until

SCHEDULES = 1000
PERIOD = 10  # seconds
_MAKE = """
INSERT INTO signal_configurations (id, owner_id, name, active, version, document, underlyings, interval, frequency,
                                   origin, entry_id, created_at, updated_at, next_due)
SELECT gen_random_uuid(), u.id, %(prefix)s || number, true, 1,
       %(document)s::jsonb || jsonb_build_object('name', %(prefix)s || number,
                                                 'instruments', jsonb_build_array((%(keys)s::text[])[number])),
       ARRAY['SIM@X'], '', %(frequency)s, 'api', '', now(), now(),
       to_timestamp(ceil(extract(epoch FROM now()) / %(period)s) * %(period)s)
FROM auth_user u, generate_series(1, %(count)s) AS number WHERE u.username = 'trader'
"""
# Of each schedule: its moments from the first to the next, those of its rows, and what its rows lack.
_ACCOUNTS = """
SELECT count(*),
       count(*) FILTER (WHERE moments <> accounted), count(*) FILTER (WHERE next_due <> beginning + lasted),
       sum(done), sum(failed), sum(open), sum(results), sum(strays), max(attempts)
FROM (
    SELECT c.next_due, r.beginning, r.accounted, r.done, r.failed, r.open, r.attempts, s.results, s.strays,
           extract(epoch FROM c.next_due - r.beginning) / %(period)s AS moments,
           r.accounted * make_interval(secs => %(period)s) AS lasted
    FROM signal_configurations c
    CROSS JOIN LATERAL (
        SELECT min(due - missed * make_interval(secs => %(period)s)) AS beginning, sum(1 + missed) AS accounted,
               count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
               count(*) FILTER (WHERE state IN ('waiting', 'running')) AS open, max(attempt) AS attempts
        FROM signal_configuration_runs WHERE configuration_id = c.id) r
    CROSS JOIN LATERAL (
        SELECT count(*) AS results, count(*) FILTER (WHERE run.id IS NULL) AS strays
        FROM signal_configuration_results s
        LEFT JOIN signal_configuration_runs run ON run.id = s.run AND run.due = s.time AND run.state = 'done'
        WHERE s.configuration_id = c.id) s
    WHERE c.name LIKE %(prefix)s || '%%'
) one
"""

_BEGUN = """
SELECT count(*) FROM signal_configuration_runs r JOIN signal_configurations c ON c.id = r.configuration_id
WHERE c.name LIKE %s AND r.state IN ('waiting', 'running') AND r.attempt > 0 AND r.started_at < now() - interval '4 s'
"""


def asked(site: Site, query: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
    """Ask PostgreSQL, also while it starts again."""

    def answered() -> list[list[tuple[Any, ...]]]:
        try:
            return [site.rows(query, *values, **named)]
        except psycopg.OperationalError:
            return []

    return until(answered, 60, "PostgreSQL answers")[0]


def make_schedules(site: Site) -> str:
    """Make a thousand configurations, due every ten seconds in the same one. Return how their names begin."""
    prefix = f"{uuid.uuid4().hex[:8]}-"
    document = {
        "interval": None,
        "frequency": f"{PERIOD}s",
        "greeks": {"columns": ["implied_volatility", "delta"], "params": {}},
    }
    values: dict[str, Any] = {
        "prefix": prefix,
        "document": json.dumps(document),
        "keys": site.keys[:SCHEDULES],
        "frequency": f"{PERIOD}s",
        "period": PERIOD,
        "count": SCHEDULES,
    }
    site.rows(_MAKE, **values)
    return prefix


def done(site: Site, prefix: str) -> int:
    query = """
    SELECT count(*) FROM signal_configuration_runs r JOIN signal_configurations c ON c.id = r.configuration_id
    WHERE c.name LIKE %s AND r.state = 'done'
    """
    return int(asked(site, query, f"{prefix}%")[0][0])


def check_schedules(site: Site, prefix: str, *, seconds: float = 90) -> int:
    """Wait for a whole round after the faults, end the schedules, and check their rows. Return the runs done."""
    before = done(site, prefix)
    until(lambda: done(site, prefix) >= before + SCHEDULES, seconds, "another round of all schedules")
    # A run that a killed process had begun would find its configuration inactive, and fail.
    until(lambda: not asked(site, _BEGUN, f"{prefix}%")[0][0], seconds, "no run of a killed process is open")
    asked(
        site,
        "UPDATE signal_configurations SET active = false, document = jsonb_set(document, '{active}', 'false')"
        " WHERE name LIKE %s",
        f"{prefix}%",
    )
    values = {"prefix": prefix, "period": PERIOD}
    until(lambda: asked(site, _ACCOUNTS, **values)[0][5] == 0, seconds, "no run is open")
    time.sleep(0.5)  # what a killed process had sent
    count, lost, wrong, found, failed, _, results, strays, attempts = asked(site, _ACCOUNTS, **values)[0]
    told = f"{count} schedules, {lost} lost, {wrong} wrong, {failed} failed, {strays} strays, {attempts} attempts"
    assert (count, lost, wrong, failed, strays) == (SCHEDULES, 0, 0, 0, 0), told
    assert results == found >= SCHEDULES  # one instrument each
    until(lambda: not asked(site, "SELECT 1 FROM batch_unpublished_runs LIMIT 1"), 60, "all results are published")
    asked(
        site,
        "DELETE FROM signal_configuration_runs WHERE configuration_id IN"
        " (SELECT id FROM signal_configurations WHERE name LIKE %s)",
        f"{prefix}%",
    )
    asked(site, "DELETE FROM signal_configurations WHERE name LIKE %s", f"{prefix}%")
    return int(found)
