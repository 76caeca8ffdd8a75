"""After runs: publishing, cleaning, metrics."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone

from batch.configs import counting, publishing, runs, starting, sweeping, tasks
from batch.configs.models import UnpublishedRun
from batch.models import EventCount
from realtime.results import publishing as waiting_results
from signals.configs import services
from signals.configs.models import Configuration, ConfigurationResult, ConfigurationRun, ConfigurationVersion
from signalsite.foundation.redis import client
from tests.integration.config_runs.made import AFTER_BARS, KEYS, configure, document, published, run_all

pytestmark = pytest.mark.django_db(transaction=True)
State = ConfigurationRun.State


def test_what_died_before_it_published_is_published_by_the_sweep(
    owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, gone = configure(owner), configure(owner, "gone")
    monkeypatch.setattr(runs, "publish", lambda results: None)
    assert run_all() == 2
    Configuration.objects.filter(pk=gone.pk).delete()
    assert publishing.publish_left() == 0  # its process may be at it
    UnpublishedRun.objects.update(since=timezone.now() - timedelta(minutes=1))
    assert not published(made)
    assert publishing.publish_left() == 2
    assert published(made) and not published(gone) and not UnpublishedRun.objects.exists()


def test_old_runs_go(owner: User, bars: datetime) -> None:
    made = configure(owner)
    run_all()
    assert sweeping.expire_runs() == 0
    ConfigurationRun.objects.update(due=timezone.now() - timedelta(days=31))
    assert sweeping.expire_runs() == 1 and not ConfigurationRun.objects.filter(configuration=made).exists()


def test_metrics(owner: User, bars: datetime) -> None:
    since = timezone.now() - timedelta(seconds=30)
    configure(owner, due=since, frequency="10s")
    configure(owner, "waits")
    Configuration.objects.create(
        owner=owner,
        name="bad",
        document=[],
        frequency="5s",
        origin="api",
        created_at=since,
        updated_at=since,
        next_due=since,
    )
    found = starting.start_due().groups
    assert samples("signal_config_open_runs") == {"waiting": 2, "running": 0}
    assert sum(runs.run_group(group) for group in found) == 2
    assert samples("signal_config_open_runs") == {"waiting": 0, "running": 0}
    ended = samples("signal_config_runs")
    assert (ended["done"], ended["failed"]) == (2, 1) and ended["missed"] >= 2
    buckets = {
        each.labels["le"]: each.value
        for family in counting.metrics()
        if family.name == "signal_config_lateness_seconds"
        for each in family.samples
        if each.name.endswith("_bucket")
    }
    assert buckets["+Inf"] == 2 and buckets["0.05"] <= buckets["60"] == 2


def samples(name: str) -> dict[str, float]:
    return {
        each.labels["state"]: each.value
        for family in counting.metrics()
        if family.name == name
        for each in family.samples
    }


def test_a_deleted_ones_runs_go_in_portions(owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    made, other = configure(owner), configure(owner, "other")
    for _ in range(3):
        Configuration.objects.update(next_due=timezone.now() - AFTER_BARS)
        run_all()
    services.delete(made, now=timezone.now())
    assert ConfigurationRun.objects.filter(configuration_id=made.pk).count() == 3
    monkeypatch.setattr(sweeping, "MOST_DELETED", 2)
    assert sweeping.expire_runs() == 3 and sweeping.expire_runs() == 0
    assert {each.configuration_id for each in ConfigurationRun.objects.all()} == {other.pk}


def test_old_versions_go_but_those_that_a_run_or_a_result_names(
    owner: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()

    def changed(name: str, times: int) -> Configuration:
        for bars in range(1, times + 1):
            made, _ = services.save(owner, document(name, bars=bars), origin="api", now=now)
        return made

    made, few = changed("one", 12), changed("few", 4)
    ConfigurationRun.objects.create(configuration=made, due=now, version=3)
    ConfigurationResult.objects.create(
        instrument_key=KEYS[0], time=now, configuration_id=made.pk, source="backtest", version=6, values={}, reasons={}
    )
    settings.CONFIG_VERSIONS_KEEP = 0
    assert sweeping.expire_versions() == 0
    settings.CONFIG_VERSIONS_KEEP = 4
    monkeypatch.setattr(sweeping, "MOST_DELETED", 2)
    assert sweeping.expire_versions() == 6
    numbers = [each.number for each in made.versions.order_by("number")]
    assert numbers == [3, 6, 9, 10, 11, 12] and few.versions.count() == 4
    ConfigurationRun.objects.update(state="done", due=now - timedelta(days=31))
    ConfigurationResult.objects.all().delete()
    tasks.expire_config_runs()
    assert [each.number for each in made.versions.order_by("number")] == [9, 10, 11, 12]


def test_a_version_goes_in_no_other_way(owner: User) -> None:
    made, _ = services.save(owner, document("one"), origin="api", now=timezone.now())
    with pytest.raises(DatabaseError, match="goes with it"), transaction.atomic():
        made.versions.all().delete()
    assert made.versions.count() == 1
    owner.delete()
    assert not ConfigurationVersion.objects.exists()


def test_what_found_no_place_is_published_later(owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    server = client(settings.REDIS_URL)
    lease = "tick_owner:signals:tick_stream:BINANCE@BTC/USDT"
    server.set(lease, "somebody")
    monkeypatch.setattr(waiting_results, "MOST_WAITING", 0)
    try:
        made = configure(owner)
        assert run_all() == 1 and UnpublishedRun.objects.count() == 1
        UnpublishedRun.objects.update(since=timezone.now() - timedelta(minutes=1))
        publishing.publish_left()
        assert UnpublishedRun.objects.count() == 1 and not published(made)
        assert EventCount.objects.get(name="results_unpublished").count == 2  # of one of the two instruments
    finally:
        server.delete(lease)
    Configuration.objects.filter(pk=made.pk).update(interval="5m")
    assert publishing.publish_left() == 1
    assert published(made) and not UnpublishedRun.objects.exists()


def test_many_results_are_read_in_portions() -> None:
    left = [(run, 2000) for run in range(5)] + [(5, 9000), (6, 0)]
    assert list(publishing._portions(left)) == [[0, 1], [2, 3], [4], [5], [6]]
