"""Metrics of what processes leave in the database, while it is away."""

import pytest
from django.db import OperationalError, connection

from signalsite.metrics import DatabaseCollector

pytestmark = pytest.mark.django_db


def sampled() -> dict[str, float]:
    return {sample.name: sample.value for metric in DatabaseCollector().collect() for sample in metric.samples}


def test_a_database_that_is_away_is_waited_for_once() -> None:
    asked: list[str] = []

    def away(execute, sql, *arguments):  # type: ignore[no-untyped-def]
        asked.append(sql)
        raise OperationalError("couldn't get a connection after 3.00 sec")

    with connection.execute_wrapper(away):
        assert sampled() == {"signal_batch_up": 0}
    assert len(asked) == 1
    there = sampled()
    assert there["signal_batch_up"] == 1 and "signal_batch_oldest_pending_seconds" in there
