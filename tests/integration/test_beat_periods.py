"""Periods of beat's tasks as PostgreSQL keeps them: beat reads them back at its next start."""

from datetime import timedelta

import pytest

from signalsite.scheduler import Entry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seconds", [0.05, 0.25, 1.5, 5.0, 3600.0])
def test_a_period_comes_back_as_it_was(seconds: float) -> None:
    stored, field = Entry.to_model_schedule(seconds)  # as settings have it
    stored.save()
    stored.refresh_from_db()
    assert field == "interval"
    assert stored.schedule.run_every == timedelta(seconds=seconds)
