"""Publish what runs gave, after it is stored. Doing it twice is harmless, so a death in between costs nothing."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import connection

from batch.events import Event, log_event
from realtime.core.names import Names
from realtime.results.publishing import publish_results
from signals.configs.core.results import ConfiguredResult, Source
from signals.configs.selectors import public_owner
from signalsite.foundation.stored_json import Unreadable, read_json

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10  # before the sweep takes it that the process has ended
MOST_RUNS = 500
MOST_RESULTS = 5_000  # in memory at once
_PUBLISHED = "DELETE FROM batch_unpublished_runs WHERE run = ANY(%s)"
_LEFT = """
SELECT u.run, coalesce(r.instruments, 0)
FROM batch_unpublished_runs u LEFT JOIN signal_configuration_runs r ON r.id = u.run
WHERE u.since < now() - make_interval(secs => %s) ORDER BY u.since LIMIT %s
"""
_RESULTS = """
SELECT c.id, c.name, s.version, c.owner_id, s.instrument_key, coalesce(v.document, c.document) ->> 'interval',
       coalesce(v.document, c.document) ->> 'frequency', s.time, s.values::text, s.reasons::text, r.id
FROM signal_configuration_runs r JOIN signal_configurations c ON c.id = r.configuration_id
     JOIN signal_configuration_results s ON s.configuration_id = r.configuration_id AND s.time = r.due AND s.run = r.id
     LEFT JOIN signal_configuration_versions v ON v.configuration_id = c.id AND v.number = s.version
WHERE r.id = ANY(%s) AND s.source = 'schedule' ORDER BY s.time
"""


def publish(results: Sequence[Sequence[ConfiguredResult]]) -> None:
    """Publish the results of runs. What Redis cannot take now, the sweep publishes later."""
    runs = [each[0].run for each in results if each]
    if runs:
        _publish(runs, [each for some in results for each in some])


def publish_left() -> int:
    """Publish what processes left behind, and return the number of runs. A run that was deleted is forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, [PATIENCE_SECONDS, MOST_RUNS])
        left = cursor.fetchall()
    done = 0
    for runs in _portions(left):
        with connection.cursor() as cursor:
            cursor.execute(_RESULTS, [runs])
            found = cursor.fetchall()
        if not _publish(runs, [result for row in found if (result := _result(*row)) is not None]):
            break
        done += len(runs)
    return done


def _portions(left: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Divide runs, each with the number of its results, into portions of MOST_RESULTS or one run."""
    portion: list[int] = []
    size = 0
    for run, results in left:
        if portion and size + results > MOST_RESULTS:
            yield portion
            portion, size = [], 0
        portion.append(run)
        size += results
    if portion:
        yield portion


def _publish(runs: Sequence[int | None], results: Sequence[ConfiguredResult]) -> bool:
    """Publish, and forget the runs whose results are all published. Return whether Redis answered."""
    try:
        waiting = publish_results(results, Names(group=settings.TICK_GROUP), public=public_owner())
    except redis.RedisError as error:
        log_event(Event.RESULTS_UNPUBLISHED, len(results), error=error)
        return False
    if waiting:
        log_event(Event.RESULTS_UNPUBLISHED, len(waiting), error="too many wait for their consumer")
    left = {each.run for each in waiting}
    with connection.cursor() as cursor:
        cursor.execute(_PUBLISHED, [[run for run in runs if run not in left]])
    return True


def _result(
    configuration: Any,
    name: str,
    version: int,
    owner_id: int,
    instrument: str,
    interval: str | None,
    frequency: str | None,
    moment: datetime,
    values: str,
    reasons: str,
    run: int,
) -> ConfiguredResult | None:
    known, why = read_json(values), read_json(reasons)
    if isinstance(known, Unreadable) or isinstance(why, Unreadable):
        logger.error("the stored result of run %d for %s is not published: it cannot be read", run, instrument)
        return None
    return ConfiguredResult(
        configuration=configuration,
        name=name,
        version=version,
        owner_id=owner_id,
        instrument_key=instrument,
        interval=interval,
        frequency=frequency,
        time=moment,
        source=Source.SCHEDULE,
        values=known,
        reasons=why,
        run=run,
    )
