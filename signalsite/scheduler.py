"""Beat's schedule, read from the tables that staff edit in the admin."""

from datetime import timedelta
from typing import Any

from celery import schedules
from django_celery_beat.models import IntervalSchedule
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from signalsite.beat import Beat
from signalsite.foundation import heartbeat


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

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if Beat.stopping:
            raise SystemExit  # Celery's loop saves the schedule and returns
        heartbeat.beat()
        return float(super().tick(*args, **kwargs))
