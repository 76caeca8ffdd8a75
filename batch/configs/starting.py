"""Start what is due: insert its runs and move the schedules on, in one short transaction under PostgreSQL's clock."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from batch.configs.core.misfires import Passed, passed
from batch.configs.counting import count_unstarted
from batch.configs.groups import TO_GROUP, Work, divided, is_slow
from batch.jobs.transactions import worker_transaction
from signals.configs.core.frequency import Every, Frequency, parse_frequency
from signals.configs.core.schedule import due_after
from signals.configs.models import Configuration, ConfigurationRun
from signalsite.foundation.errors import Conflict, InvalidInput
from signalsite.foundation.rows import binary_rows
from timeframes.core.keys import parse_key

MOST_AT_ONCE = 5_000  # configurations of one transaction
MOST_SECONDS = 2.0  # of working out their moments, while their rows are locked; the next look goes on
_State = ConfigurationRun.State
_DUE = """
SELECT c.id, c.version, c.next_due, now(), c.interval <> '', c.frequency, c.document #>> '{instruments,0}',
       c.document ->> 'interval', c.document ->> 'anchor',
       c.id IN (SELECT configuration_id FROM signal_configuration_runs WHERE state IN ('waiting', 'running'))
FROM signal_configurations c
WHERE c.active AND c.next_due <= now() AND EXISTS (SELECT FROM auth_user u WHERE u.id = c.owner_id AND u.is_active)
      AND (c.interval = '' OR c.next_due <= now() - make_interval(secs => %(delay)s))
ORDER BY c.next_due, c.id LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""
_INSERT = f"""
WITH new AS (
    INSERT INTO signal_configuration_runs
        (configuration_id, due, version, state, missed, error, claimed_at, finished_at, attempt, instruments, failed)
    SELECT configuration, due, version, state, missed, error, now(), CASE WHEN state <> 'waiting' THEN now() END,
           0, 0, 0
    FROM unnest(%(configurations)s::uuid[], %(dues)s::timestamptz[], %(versions)s::int[], %(states)s::text[],
                %(missed)s::int[], %(errors)s::text[]) AS r(configuration, due, version, state, missed, error)
    ON CONFLICT (configuration_id, due) DO NOTHING
    RETURNING id, configuration_id, state
)
SELECT new.id, {TO_GROUP} FROM new JOIN signal_configurations c ON c.id = new.configuration_id
WHERE new.state = 'waiting' ORDER BY new.id
"""
_TO_GROUP = f"SELECT c.id, {TO_GROUP} FROM signal_configurations c WHERE c.id = ANY(%(configurations)s)"
_NOT_ENDED = "the run before it had not ended"
_NEWER = "a newer due moment passed before it could start"
_MOVE_ON = """
UPDATE signal_configurations c SET next_due = moved.next_due
FROM unnest(%(configurations)s::uuid[], %(following)s::timestamptz[]) AS moved(id, next_due) WHERE c.id = moved.id
"""


@dataclass(slots=True)
class _Rows:
    """Columns of the runs to insert, and of the schedules to move on."""

    configurations: list[uuid.UUID] = field(default_factory=list)
    dues: list[datetime] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(
        self, configuration: uuid.UUID, version: int, due: datetime, state: str, *, missed: int = 0, error: str = ""
    ) -> None:
        self.configurations.append(configuration)
        self.versions.append(version)
        self.dues.append(due)
        self.states.append(state)
        self.missed.append(missed)
        self.errors.append(error)

    def ended(self) -> Iterator[tuple[str, int]]:
        return zip(self.states, self.missed, strict=True)

    def columns(self) -> dict[str, list[Any]]:
        return {name: getattr(self, name) for name in self.__slots__}


def start_due() -> Work:
    """Insert the runs of all configurations that are due, and return them. The caller enqueues them.

    A configuration that another process is looking at is left to it. One whose schedule cannot be read fails alone:
    its run says why, and it has no next one until it is changed.
    """
    if not any_due():  # another process was quicker: no transaction is needed
        return Work([], [])
    with worker_transaction():
        found = binary_rows(_DUE, {"delay": settings.CONFIG_BAR_DELAY_SECONDS, "most": MOST_AT_ONCE})
        # What is slow has one open run, so that no more wait than there are configurations.
        slow = _slow_among([row[0] for row in found if row[-1]])
        rows, following = _Rows(), list[datetime | None]()
        schedules: dict[tuple[Any, ...], Passed | str] = {}
        begun = time.monotonic()
        for place, (configuration, version, due, now, reads_bars, frequency, instrument, *grid, _) in enumerate(found):
            if time.monotonic() - begun > MOST_SECONDS:
                found = found[:place]
                break
            exchange = exchange_of(instrument)
            which = (due, now, reads_bars, frequency, exchange, *grid)
            if (what := schedules.get(which)) is None:
                what = schedules[which] = _passed(due, now, reads_bars, frequency, exchange, *grid)
            if isinstance(what, str):
                rows.add(configuration, version, due, _State.FAILED, error=what)
                following.append(None)
                continue
            if what.missed is not None:
                why = _NEWER if what.runs else f"it was more than {settings.CONFIG_LATE_SECONDS:g} s late"
                rows.add(configuration, version, what.missed, _State.MISSED, missed=what.missed_before, error=why)
            if what.runs is not None and configuration in slow:
                rows.add(configuration, version, what.runs, _State.MISSED, error=_NOT_ENDED)
            elif what.runs is not None:
                rows.add(configuration, version, what.runs, _State.WAITING)
            following.append(what.following)
        waiting = binary_rows(_INSERT, rows.columns())
        with connection.cursor() as cursor:
            cursor.execute(_MOVE_ON, {"configurations": [row[0] for row in found], "following": following})
        # Last and at once: rows of counts are shared, so that they are locked shortly and in one order.
        count_unstarted(
            missed=sum(1 + missed for state, missed in rows.ended() if state == _State.MISSED),
            failed=sum(state == _State.FAILED for state, _ in rows.ended()),
        )
    return divided(waiting)


def start_now(configuration: uuid.UUID) -> tuple[ConfigurationRun, Work]:
    """Insert a run that is due now, beside the schedule, and return it, and the work as `start_due` does.

    Raises Configuration.DoesNotExist, and Conflict for one that is not active or of which a run waits already.
    """
    with transaction.atomic():
        found = Configuration.objects.select_for_update().only("id", "active", "version").get(pk=configuration)
        if not found.active:
            raise Conflict("the configuration is not active: resume it first")
        if ConfigurationRun.objects.filter(configuration=found, state=_State.WAITING).exists():
            raise Conflict("a run of this configuration waits already")
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now = cursor.fetchone()[0]
        rows = _Rows()
        rows.add(found.pk, found.version, now, _State.WAITING)
        work = divided(binary_rows(_INSERT, rows.columns()))
        return ConfigurationRun.objects.get(configuration=found, due=now), work


def _slow_among(configurations: list[uuid.UUID]) -> set[uuid.UUID]:
    if not configurations:
        return set()
    rows = binary_rows(_TO_GROUP, {"configurations": configurations})
    return {row[0] for row in rows if is_slow(row)}


def any_due() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM signal_configurations c WHERE active AND next_due <= now()"
            " AND EXISTS (SELECT FROM auth_user u WHERE u.id = c.owner_id AND u.is_active)"
            " AND (interval = '' OR next_due <= now() - make_interval(secs => %s)))",
            [settings.CONFIG_BAR_DELAY_SECONDS],
        )
        return bool(cursor.fetchone()[0])


def _passed(
    due: datetime,
    now: datetime,
    reads_bars: bool,
    frequency: str,
    exchange: str | InvalidInput,
    interval: str | None,
    anchor: str | None,
) -> Passed | str:
    """Return what becomes of the moments since `due`, or why the schedule cannot be read."""
    if isinstance(exchange, InvalidInput):
        return f"the schedule cannot be read: {exchange.field}: {exchange}"
    try:
        asked = frequency_of(frequency)
        delay = settings.CONFIG_BAR_DELAY_SECONDS if reads_bars else 0.0
        return passed(
            due,
            now - timedelta(seconds=delay),
            lambda moment: due_after(asked, moment, exchange=exchange, interval=interval, anchor=anchor),
            period=timedelta(seconds=asked.seconds) if asked.every is Every.SECONDS else None,
            patience=timedelta(seconds=settings.CONFIG_LATE_SECONDS),
        )
    except InvalidInput as error:
        return f"the schedule cannot be read: {error.field}: {error}"
    except ValueError as error:  # an anchor that there is not
        return f"the schedule cannot be read: {error}"


@lru_cache(maxsize=4096)
def exchange_of(instrument: str | None) -> str | InvalidInput:
    """Return what of an instrument schedules depend on, or why it cannot be read."""
    try:
        return parse_key(instrument or "").exchange
    except InvalidInput as error:
        return error


@lru_cache(maxsize=4096)
def frequency_of(text: str) -> Frequency:
    return parse_frequency(text)
