"""Scheduled runs of configurations, in one process: what starts when, what it gives, and what fails alone."""

import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from batch.configs import claims, counting, groups, publishing, runs, starting, sweeping
from batch.configs.core.findings import Finding
from batch.configs.kinds import functions
from batch.configs.kinds.units import NoTimeLeft
from batch.configs.models import UnpublishedRun
from batch.configs.storing import Computed, store
from realtime.core.names import Names
from signals.configs.core.canonical import document_of
from signals.configs.models import ComputationMetadata, Configuration, ConfigurationResult, ConfigurationRun
from signalsite.foundation.redis import client
from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from timeframes.bars.services import record_bars
from timeframes.core.keys import parse_key

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = ("BINANCE@BTC/USDT@crypto_spot", "BINANCE@ETH/USDT@crypto_spot")
State = ConfigurationRun.State
AFTER_BARS = timedelta(seconds=3)  # until what reads bars may run


@pytest.fixture
def owner() -> User:
    return User.objects.create_user(f"owner{uuid.uuid4().hex[:8]}")


@pytest.fixture
def bars() -> datetime:
    """Store 300 minutes of bars, the last of which ended just now. Return when it began."""
    now = timezone.now().replace(second=0, microsecond=0)
    rng = np.random.default_rng(5)
    for key in KEYS:
        closes = 100 + np.cumsum(rng.normal(size=300))
        rows = [
            Row(now - (300 - place) * timedelta(minutes=1), close, close + 1, close - 1, close, 5.0, None, None, None)
            for place, close in enumerate(closes.tolist())
        ]
        record_bars(key, 60, bar_columns(rows), source="test")
    return now - timedelta(minutes=1)


def document(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "instruments": [KEYS[0]],
        "interval": "1m",
        "frequency": "1h",
        "indicators": ["rsi(length=14)", "macd"],
        "functions": [{"function": "pivots", "params": {}, "label": "pivots"}],
        "bars": 50,
        "active": True,
        **more,
    }


def configure(owner: User, name: str = "one", *, due: datetime | None = None, **more: Any) -> Configuration:
    found, now = document(name, **more), timezone.now()
    return Configuration.objects.create(
        owner=owner,
        name=name,
        document=found,
        interval=found["interval"] or "",
        frequency=found["frequency"],
        origin="api",
        created_at=now,
        updated_at=now,
        next_due=due or now - AFTER_BARS,
    )


def run_all() -> int:
    return sum(runs.run_group(group) for group in starting.start_due())


def only(configuration: Configuration) -> ConfigurationRun:
    return ConfigurationRun.objects.get(configuration=configuration)


def test_a_run_with_its_results(owner: User, bars: datetime) -> None:
    asked = {"greeks": {"columns": ["delta", "vanna"], "params": {}}, "instruments": list(KEYS)}
    made = configure(owner, **asked)
    due = made.next_due
    assert run_all() == 1
    run = only(made)
    assert (run.state, run.due, run.attempt, run.instruments, run.error) == (State.DONE, due, 1, 2, "")
    assert run.lateness_ms is not None and 0 <= run.lateness_ms < 60_000
    assert run.duration_ms is not None and run.duration_ms > 0
    results = list(ConfigurationResult.objects.filter(configuration_id=made.id))
    assert {(each.instrument_key, each.time, each.source, each.run) for each in results} == {
        (key, due, "schedule", run.pk) for key in KEYS
    }
    for each in results:
        assert 0 < each.values["indicators"]["rsi(length=14)"]["RSI_14"] < 100
        assert each.values["functions"]["pivots"].keys() >= {"pivot", "r1", "s1"}
        assert each.values["greeks"] == {"delta": None, "vanna": None}
        assert each.reasons.keys() >= {"greeks.delta", "greeks.vanna"}
    made_by = {each.kind: each for each in ComputationMetadata.objects.filter(configuration_id=made.id)}
    assert made_by.keys() == {"greeks", "indicators", "functions"}
    assert (made_by["greeks"].values, made_by["greeks"].missing, made_by["greeks"].instruments) == (0, 4, 2)
    assert made_by["indicators"].values == 8 and made_by["functions"].computation_version == "pivots 1"
    made.refresh_from_db()
    assert made.next_due is not None and made.next_due > due
    assert not UnpublishedRun.objects.exists()
    assert published(made)


def published(configuration: Configuration) -> bool:
    topic = f"results:{configuration.id}:{KEYS[0]}"
    return bool(client(settings.REDIS_URL).hexists(Names().latest(parse_key(KEYS[0]).underlying), topic))


def test_a_thousand_due_at_once_are_some_calls_and_a_few_statements(
    owner: User, bars: datetime, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = configure(owner)
    Configuration.objects.bulk_create(
        Configuration(**{**fields_of(made), "id": uuid.uuid4(), "name": f"many {place}"}) for place in range(999)
    )
    begun = time.process_time()
    with django_assert_max_num_queries(8):
        found = starting.start_due()
    assert time.process_time() - begun < 0.2
    assert sorted(map(len, found)) == [500, 500]
    assert ConfigurationRun.objects.count() == 1000 and starting.start_due() == []
    with django_assert_max_num_queries(40):
        assert [runs.run_group(group) for group in found] == [500, 500]
    assert set(ConfigurationRun.objects.values_list("state", "attempt")) == {(State.DONE, 1)}
    assert ConfigurationResult.objects.count() == 1000


def fields_of(configuration: Configuration) -> dict[str, Any]:
    return {each.attname: getattr(configuration, each.attname) for each in Configuration._meta.fields}


def test_what_passed_is_missed_and_the_newest_runs(owner: User, bars: datetime) -> None:
    now = timezone.now()
    since = now - timedelta(minutes=2, seconds=now.second % 10, microseconds=now.microsecond)
    made = configure(owner, due=since, frequency="10s", interval=None)
    assert run_all() == 1
    done, missed = ConfigurationRun.objects.filter(configuration=made).order_by("-due")
    assert (done.state, missed.state, missed.missed) == (State.DONE, State.MISSED, 11)
    assert missed.due - since == timedelta(seconds=110) and done.due - since == timedelta(seconds=120)
    assert ConfigurationResult.objects.filter(configuration_id=made.id).count() == 1
    made.refresh_from_db()
    assert made.next_due == done.due + timedelta(seconds=10)


def test_too_late_is_missed_too(owner: User) -> None:
    now = timezone.now()
    made = configure(owner, due=now.replace(minute=0) - timedelta(hours=2), frequency="31d")
    assert run_all() == 0
    assert (only(made).state, only(made).missed) == (State.MISSED, 0)


def test_a_bar_runs_when_it_is_stored_and_the_delay_is_no_lateness(owner: User, bars: datetime) -> None:
    made = configure(owner, due=timezone.now() - timedelta(seconds=1), frequency="bar")
    assert run_all() == 0 and not ConfigurationRun.objects.exists()
    closed = bars + timedelta(minutes=1)
    Configuration.objects.update(next_due=closed - timedelta(minutes=5))  # long enough ago
    assert run_all() == 1
    run = ConfigurationRun.objects.filter(configuration=made, state=State.DONE).get()
    late = (run.started_at - run.due).total_seconds() * 1000  # type: ignore[operator]
    assert run.lateness_ms == pytest.approx(late - 2000, abs=5)


@pytest.mark.parametrize("frequency", ["1m", "hourly", "daily", "close"])
def test_what_reads_bars_waits_for_them(owner: User, frequency: str) -> None:
    due = timezone.now() - timedelta(seconds=1)
    waits, runs_now = (
        configure(owner, due=due, frequency=frequency),
        configure(owner, "no bars", due=due, interval=None),
    )
    assert len(starting.start_due()) == 1
    assert only(runs_now).state == State.WAITING and not ConfigurationRun.objects.filter(configuration=waits).exists()


def test_a_day_s_outage_of_many_instruments(owner: User) -> None:
    made = configure(owner, due=timezone.now().replace(second=0, microsecond=0) - timedelta(days=1), frequency="bar")
    Configuration.objects.bulk_create(
        Configuration(
            **{
                **fields_of(made),
                "id": uuid.uuid4(),
                "name": f"many {place}",
                "document": document("many", instruments=[f"BINANCE@C{place}/USDT@crypto_spot"]),
            }
        )
        for place in range(starting.MOST_AT_ONCE - 1)
    )
    begun = time.process_time()
    assert starting.start_due() == []
    assert time.process_time() - begun < 2
    assert Configuration.objects.filter(next_due=made.next_due).count() == 0


def test_a_soft_time_limit_gives_the_claims_back(owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    made = configure(owner)
    (group,) = starting.start_due()

    def over(*_: Any, **__: Any) -> Any:
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patched:
        patched.setattr(functions, "frames_of", over)
        for again in (False, True):
            with pytest.raises(SoftTimeLimitExceeded):
                runs.run_group(group, again=again)
    assert only(made).state == State.WAITING and not ConfigurationResult.objects.exists()


def test_time_that_is_over_sets_each_run_on_its_own(
    owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(owner), configure(owner, "two")
    (group,) = starting.start_due()
    monkeypatch.setattr(runs, "SECONDS", -1.0)
    with pytest.raises(NoTimeLeft):
        runs.run_group(group)
    assert not ConfigurationResult.objects.exists()
    assert runs.run_group(group, again=True) == 2
    assert {reason for each in ConfigurationResult.objects.all() for reason in each.reasons.values()} == {
        "no time was left"
    }


def test_slices_of_instruments_give_the_same(owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(owner, instruments=list(KEYS))
    assert run_all() == 1
    whole = {each.instrument_key: each.values for each in ConfigurationResult.objects.all()}
    configure(owner, "again", due=ConfigurationRun.objects.get().due, instruments=list(KEYS))
    ConfigurationResult.objects.all().delete()
    monkeypatch.setattr(functions, "MOST_CELLS", 1)
    assert run_all() == 1
    assert {each.instrument_key: each.values for each in ConfigurationResult.objects.all()} == whole


def broken(**more: Any) -> dict[str, Any]:
    return document("broken", **more)


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ({"frequency": "5s"}, "the schedule cannot be read"),
        ([1, 2], "the schedule cannot be read"),
        (broken(instruments=["NOWHERE@X@spot"]), "the schedule cannot be read"),
        (broken(instruments=[KEYS[0], 5]), "the stored document cannot be read"),
        (broken(greeks={"columns": ["delta"], "params": {"greeks": 5}}), "computing it failed"),
        (broken(indicators=5), "the stored document cannot be read"),
    ],
)
def test_a_broken_one_fails_alone(owner: User, bars: datetime, stored: Any, error: str) -> None:
    bad, good = configure(owner, "bad"), configure(owner, "good")
    Configuration.objects.filter(pk=bad.pk).update(document=stored)
    assert run_all() >= 1
    assert only(bad).state == State.FAILED and only(bad).error.startswith(error)
    assert only(good).state == State.DONE and ConfigurationResult.objects.get().configuration_id == good.id


def test_each_kind_fails_alone(owner: User, bars: datetime) -> None:
    nowhere = f"version/{uuid.uuid4()}"
    made = configure(
        owner,
        greeks={"columns": ["nothing_such"], "params": {}},
        functions=[{"function": "no_such", "params": {}, "label": "gone"}],
        external_functions=[{"function": nowhere, "params": {}, "label": "deleted"}],
    )
    assert run_all() == 1 and only(made).state == State.DONE
    found = ConfigurationResult.objects.get()
    assert found.values["indicators"]["rsi(length=14)"]["RSI_14"] is not None
    assert found.reasons.keys() == {"greeks.nothing_such", "functions.gone", "external_functions.deleted"}
    assert "has been deleted" in found.reasons["external_functions.deleted"]
    assert only(made).failed == 3


def test_an_attempt_that_lost_its_claim_stores_nothing(owner: User, bars: datetime) -> None:
    made = configure(owner)
    (group,) = starting.start_due()
    (old,) = claims.claim(group)
    assert claims.claim(group) == []  # it is not free
    ConfigurationRun.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
    assert sweeping.find_stalled_runs() == [group]
    (new,) = claims.claim(group)
    assert (old.attempt, new.attempt) == (1, 2)
    finding = Finding(old.due, document_of(old.document))
    assert store([Computed(old, finding)]) == set()
    assert not ConfigurationResult.objects.exists() and only(made).state == State.RUNNING
    finding.set(KEYS[0], "functions", "mine", {"value": float("nan"), "text\0": 1.0, "\\u0000": 2.0}, "\\u0000")
    assert store([Computed(new, finding)]) == set(group)
    assert store([Computed(new, finding)]) == set()
    assert ConfigurationResult.objects.get().values == {
        "functions": {"mine": {"value": None, "text": 1.0, "\\u0000": 2.0}}
    }
    assert ConfigurationResult.objects.get().reasons == {"functions.mine": "\\u0000"}
    assert runs.run_group(group) == 0


def test_after_three_attempts_it_has_failed(owner: User) -> None:
    made = configure(owner)
    (group,) = starting.start_due()
    for _ in range(3):
        assert len(claims.claim(group)) == 1
        ConfigurationRun.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
    assert claims.claim(group) == []
    assert only(made).state == State.FAILED and only(made).error.startswith("tried 3 times")
    assert sweeping.find_stalled_runs() == []


def test_one_that_raises_gives_its_claim_back_and_takes_no_other_along(
    owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = configure(owner, "bad"), configure(owner, "good")
    (group,) = starting.start_due()

    def raises_for_bad(computed: Any) -> set[int]:
        if any(each.claim.name == "bad" for each in computed):
            raise RuntimeError("as if the disk were full")
        return store(computed)

    monkeypatch.setattr(runs, "store", raises_for_bad)
    with pytest.raises(RuntimeError):
        runs.run_group(group)
    assert {only(bad).state, only(good).state} == {State.WAITING}
    with pytest.raises(RuntimeError):
        runs.run_group(group, again=True)
    assert (only(bad).state, only(good).state) == (State.WAITING, State.DONE)


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


def test_inactive_and_waited_too_long(owner: User) -> None:
    paused, forgotten = configure(owner, "paused"), configure(owner, "forgotten")
    groups_found = starting.start_due()
    Configuration.objects.filter(pk=paused.pk).update(active=False)
    ConfigurationRun.objects.filter(configuration=forgotten).update(due=timezone.now() - timedelta(hours=1))
    assert sum(runs.run_group(group) for group in groups_found) == 0
    assert [only(each).state for each in (paused, forgotten)] == [State.MISSED, State.MISSED]
    assert "inactive" in only(paused).error and only(forgotten).error == "no worker was free for 300.0 s"


def test_two_beats_at_once_and_a_clock_that_was_set_back(owner: User, bars: datetime) -> None:
    made = configure(owner)
    due = made.next_due
    assert run_all() == 1
    Configuration.objects.update(next_due=due)  # as after a restored backup, or a clock that was wrong
    assert run_all() == 0
    assert ConfigurationRun.objects.filter(configuration=made, due=due).count() == 1
    Configuration.objects.update(next_due=timezone.now() + timedelta(hours=1))
    assert starting.start_due() == []


def test_old_runs_go(owner: User, bars: datetime) -> None:
    made = configure(owner)
    run_all()
    assert sweeping.expire_runs() == 0
    ConfigurationRun.objects.update(due=timezone.now() - timedelta(days=31))
    assert sweeping.expire_runs() == 1 and not ConfigurationRun.objects.filter(configuration=made).exists()


def test_groups() -> None:
    rows = [(place, 10, place % 2, 0, 0, "b" if place % 2 else "a") for place in range(100)]
    found = groups.grouped(rows)
    assert sorted(each for group in found for each in group) == list(range(100))
    assert all(sum(110 if each % 2 else 10 for each in group) <= groups.MOST_INSTRUMENTS for group in found)
    assert found[0][:3] == [0, 2, 4]
    assert groups.grouped([(1, 10**6, 0, 0, 0, "")]) == [[1]]
    assert groups.grouped([(place, 1000, 0, 0, 5000, "") for place in range(3)]) == [[0], [1], [2]]
    assert len(groups.grouped(rows, alone=True)) == 100


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
    found = starting.start_due()
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
