"""Beat's schedule, read from the tables that staff edit in the admin."""

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from signalsite.beat import Beat
from signalsite.foundation import heartbeat


class Scheduler(DatabaseScheduler):
    """Touches the heartbeat file and stops beat. CELERY_BEAT_MAX_LOOP_INTERVAL bounds the time between ticks."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if Beat.stopping:
            raise SystemExit  # Celery's loop saves the schedule and returns
        heartbeat.beat()
        return float(super().tick(*args, **kwargs))
