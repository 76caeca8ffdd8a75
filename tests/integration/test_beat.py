"""Beat: periods as PostgreSQL keeps them, which it reads back at its next start, and what its ticks cost."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.contrib.auth.models import User
from django.db import connection
from django_celery_beat.models import PeriodicTask

from signalsite.celery import app
from signalsite.scheduler import LOOK_SECONDS, Entry, Scheduler
from tests.integration.config_runs.made import configure

pytestmark = pytest.mark.django_db(transaction=True)  # the scheduler closes connections that look old


@pytest.fixture
def published() -> Iterator[list[str]]:
    """The names of the tasks that are published."""
    names: list[str] = []

    def note(sender: Any = None, **_: Any) -> None:
        names.append(sender)

    before_task_publish.connect(note)
    yield names
    before_task_publish.disconnect(note)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    made = Scheduler(app=app)
    yield made
    made._finalize.cancel()  # at the end of the process, when PostgreSQL has gone


@pytest.mark.parametrize("seconds", [0.05, 0.25, 1.5, 5.0, 3600.0])
def test_a_period_comes_back_as_it_was(seconds: float) -> None:
    stored, field = Entry.to_model_schedule(seconds)  # as settings have it
    stored.save()
    stored.refresh_from_db()
    assert field == "interval"
    assert stored.schedule.run_every == timedelta(seconds=seconds)


def test_a_worker_is_asked_to_start_configurations_only_when_one_is_due(
    scheduler: Scheduler, published: list[str]
) -> None:
    for name in ("start-configs", "sweep-configs"):
        scheduler.apply_entry(scheduler.schedule[name])
    assert published == ["batch.sweep_configs"]
    configure(User.objects.create_user("owner"))
    scheduler.apply_entry(scheduler.schedule["start-configs"])
    assert published == ["batch.sweep_configs", "batch.start_configs"]


def test_a_worker_is_asked_too_when_postgresql_cannot_say(scheduler: Scheduler, published: list[str]) -> None:
    entry = scheduler.schedule["start-configs"]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE signal_configurations RENAME TO elsewhere")
    try:
        scheduler.apply_entry(entry)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO signal_configurations")
    assert published == ["batch.start_configs"]


def test_ticks_have_pauses_between_them(scheduler: Scheduler) -> None:
    """Celery's own come some four hundred times a second, with a task every quarter of a second."""
    ticks, end = 0, time.monotonic() + 1.5
    while time.monotonic() < end:
        time.sleep(scheduler.tick())
        ticks += 1
    assert 5 < ticks < 100


def test_what_staff_change_is_seen_at_the_next_look(scheduler: Scheduler) -> None:
    assert "sweep-configs" in scheduler.schedule
    PeriodicTask.objects.get(name="sweep-configs").delete()
    assert "sweep-configs" in scheduler.schedule
    time.sleep(LOOK_SECONDS)
    assert "sweep-configs" not in scheduler.schedule
