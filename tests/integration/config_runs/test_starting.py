"""What is due when, and what becomes of it after an outage."""

import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from batch.configs import claims, clock_jumps, groups, runs, starting
from signals.configs import services
from signals.configs.core.canonical import document_of
from signals.configs.models import Configuration, ConfigurationResult, ConfigurationRun
from tests.integration.config_runs.made import AFTER_BARS, NOTHING, configure, document, fields_of, only, run_all

pytestmark = pytest.mark.django_db(transaction=True)
State = ConfigurationRun.State


def test_a_thousand_due_at_once_are_some_calls_and_a_few_statements(
    owner: User, bars: datetime, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = configure(owner)
    Configuration.objects.bulk_create(
        Configuration(**{**fields_of(made), "id": uuid.uuid4(), "name": f"many {place}"}) for place in range(999)
    )
    begun = time.process_time()
    with django_assert_max_num_queries(8):
        found = starting.start_due().groups
    assert time.process_time() - begun < 0.2
    assert sorted(map(len, found)) == [500, 500]
    assert ConfigurationRun.objects.count() == 1000 and starting.start_due() == NOTHING
    with django_assert_max_num_queries(40):
        assert [runs.run_group(group) for group in found] == [500, 500]
    assert set(ConfigurationRun.objects.values_list("state", "attempt")) == {(State.DONE, 1)}
    assert ConfigurationResult.objects.count() == 1000


def test_what_passed_is_missed_and_the_newest_runs(owner: User, bars: datetime) -> None:
    now = timezone.now()
    since = now - timedelta(minutes=2, seconds=now.second % 10, microseconds=now.microsecond)
    made = configure(owner, due=since, frequency="10s", interval=None)
    assert run_all() == 1
    done, missed = ConfigurationRun.objects.filter(configuration=made).order_by("-due")
    assert (done.state, missed.state, missed.missed) == (State.DONE, State.MISSED, 11)
    assert missed.error == "a newer due moment passed before it could start"
    assert missed.due - since == timedelta(seconds=110) and done.due - since == timedelta(seconds=120)
    assert ConfigurationResult.objects.filter(configuration_id=made.id).count() == 1
    made.refresh_from_db()
    assert made.next_due == done.due + timedelta(seconds=10)


def test_too_late_is_missed_too(owner: User) -> None:
    now = timezone.now()
    made = configure(owner, due=now.replace(minute=0) - timedelta(hours=2), frequency="31d")
    assert run_all() == 0
    assert (only(made).state, only(made).missed) == (State.MISSED, 0)
    assert only(made).error == "it was more than 300 s late"


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
    assert len(starting.start_due().groups) == 1
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
    assert starting.start_due() == NOTHING
    assert time.process_time() - begun < 2
    assert Configuration.objects.filter(next_due=made.next_due).count() == 0


def test_inactive_and_waited_too_long(owner: User) -> None:
    paused, forgotten = configure(owner, "paused"), configure(owner, "forgotten")
    groups_found = starting.start_due().groups
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
    assert starting.start_due() == NOTHING


def test_groups() -> None:
    rows = [(place, 1, "[]", 10, place % 2, 0, 0, "b" if place % 2 else "a") for place in range(100)]
    found = groups.grouped(rows)
    assert sorted(each for group in found for each in group) == list(range(100))
    assert all(sum(110 if each % 2 else 10 for each in group) <= groups.MOST_INSTRUMENTS for group in found)
    assert found[0][:3] == [0, 2, 4]
    assert groups.grouped([(1, 1, "[]", 10**6, 0, 0, 0, "")]) == [[1]]
    assert groups.grouped([(place, 1, "[]", 1000, 0, 0, 5000, "") for place in range(3)]) == [[0], [1], [2]]
    assert len(groups.grouped(rows, alone=True)) == 100


def test_those_of_an_account_that_is_closed_do_not_run(owner: User, bars: datetime) -> None:
    made = configure(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert starting.start_due() == NOTHING
    User.objects.filter(pk=owner.pk).update(is_active=True)
    assert run_all() == 1 and only(made).state == State.DONE


def test_a_closed_account_refuses_what_had_been_enqueued(owner: User, bars: datetime) -> None:
    made = configure(owner)
    (group,) = starting.start_due().groups
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert runs.run_group(group) == 0
    assert (only(made).state, only(made).error) == (
        State.MISSED,
        "the account of its owner was closed before it started",
    )


def test_a_run_whose_process_died_says_that_it_had_started(owner: User, bars: datetime) -> None:
    made = configure(owner)
    (group,) = starting.start_due().groups
    assert len(claims.claim(group)) == 1
    long_ago = timezone.now() - timedelta(seconds=2 * claims.LEASE_SECONDS)
    ConfigurationRun.objects.update(claimed_at=long_ago)
    Configuration.objects.filter(pk=made.pk).update(active=False)
    assert runs.run_group(group) == 0
    assert (only(made).state, only(made).error) == (
        State.FAILED,
        "the configuration was set inactive before it ended",
    )


@pytest.mark.parametrize(
    ("frequency", "interval", "allowed"),
    [("10s", None, 10), ("bar", "5m", 300), ("hourly", None, 3600), ("2d", None, 172_800), ("daily@15:20", None, None)],
)
def test_a_clock_that_was_ahead_leaves_no_schedule_silent(
    owner: User, frequency: str, interval: str | None, allowed: float | None
) -> None:
    now = timezone.now()
    made = configure(owner, frequency=frequency, interval=interval, due=now + timedelta(days=400))
    other = configure(owner, "other", frequency="31d", interval=None, due=now + timedelta(minutes=1))
    assert clock_jumps.bring_forward() == 1 and clock_jumps.bring_forward() == 0
    made.refresh_from_db()
    assert made.next_due == services.first_due(document_of(made.document), now)
    assert allowed is None or made.next_due <= now + timedelta(seconds=allowed + 5)
    before = other.next_due
    other.refresh_from_db()
    assert other.next_due == before  # it may be earlier than it has to be


def test_what_ran_while_the_clock_was_ahead_does_not_run_again(owner: User, bars: datetime) -> None:
    due = timezone.now() - AFTER_BARS
    made = configure(owner, due=due, frequency="1h")
    assert run_all() == 1
    Configuration.objects.update(next_due=timezone.now() + timedelta(days=30))
    assert clock_jumps.bring_forward() == 1
    made.refresh_from_db()
    assert made.next_due is not None and made.next_due > timezone.now() and run_all() == 0
