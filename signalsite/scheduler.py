"""Beat's schedule, read from the tables that staff edit in the admin."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from celery import schedules
from django.db import DatabaseError, InterfaceError, connection
from django_celery_beat.models import IntervalSchedule
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from batch.configs.starting import any_due
from signalsite.beat import Beat
from signalsite.foundation import heartbeat

DRIFT_SECONDS = 0.01
"""Celery looks at an entry so long before it is due, and then without a pause until it is."""
LOOK_SECONDS = 1.0  # between looks for what staff have changed
NEEDED: Mapping[str, Callable[[], bool]] = {"batch.start_configs": any_due}
"""Tasks that find nothing to do most times: a query here costs less than a message, and the same query there."""


class Entry(ModelEntry):
    """Stores a period that is no whole number of seconds in microseconds.

    The base class stores 0.25 s as 0 s. After the next start of beat the task would be due all the time.
    """

    @classmethod
    def to_model_schedule(cls, schedule: Any) -> Any:
        every = getattr(schedules.maybe_schedule(schedule), "run_every", None)
        if isinstance(every, timedelta) and every.microseconds:
            count = every // timedelta(microseconds=1)
            stored, _ = IntervalSchedule.objects.get_or_create(every=count, period=IntervalSchedule.MICROSECONDS)
            return stored, "interval"
        return super().to_model_schedule(schedule)


class Scheduler(DatabaseScheduler):
    """Touches the heartbeat file and stops beat. CELERY_BEAT_MAX_LOOP_INTERVAL bounds the time between ticks."""

    Entry = Entry
    _look = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if Beat.stopping:
            raise SystemExit  # Celery's loop saves the schedule and returns
        heartbeat.beat()
        wait = float(super().tick(*args, **kwargs))
        return max(wait, DRIFT_SECONDS) if wait else wait  # 0: another entry is due

    def schedule_changed(self) -> bool:
        """The base class asks PostgreSQL twice in each tick."""
        if time.monotonic() < self._look:
            return False
        self._look = time.monotonic() + LOOK_SECONDS
        return bool(super().schedule_changed())

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        if _is_needed(entry.task):
            super().apply_entry(entry, producer=producer)


def _is_needed(task: str) -> bool:
    """Return whether a task may find something to do: yes too when PostgreSQL cannot say."""
    try:
        return task not in NEEDED or NEEDED[task]()
    except (DatabaseError, InterfaceError):  # of the schema too, while an upgrade is under way: it must not end beat
        connection.close()
        return True
