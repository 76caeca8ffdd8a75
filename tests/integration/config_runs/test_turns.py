"""Slow runs: what is slow, whose turn it is, and what waits."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from batch.configs import groups, runs, starting, sweeping, tasks, turns
from batch.configs.groups import Work, is_slow_document
from batch.configs.storing import Computed, store
from signals.configs.models import Configuration, ConfigurationRun
from signalsite.foundation.redis import client
from signalsite.foundation.rows import binary_rows
from tests.integration.config_runs.made import AFTER_BARS, NOTHING, configure, document, only

pytestmark = pytest.mark.django_db(transaction=True)
State = ConfigurationRun.State
LIBRARY: dict[str, Any] = {"indicators": ["alma"]}  # which no kernel serves


@pytest.fixture
def another() -> User:
    return User.objects.create_user(f"another{os.urandom(4).hex()}")


@pytest.mark.parametrize(
    ("document", "slow"),
    [
        ({"indicators": ["rsi(length=14)", "macd"], "functions": [{"function": "pivots"}]}, False),
        ({"indicators": ["rsi", "alma"]}, True),
        ({"external_functions": [{"function": "version/1"}]}, True),
        ({"join": {"a": "indicators:macd#MACD_12_26_9", "b": "greeks:iv"}}, False),
        ({"join": {"a": "indicators:alma"}}, True),
        ({"indicators": 5, "external_functions": 5, "join": [1]}, False),  # cannot be read, and fails quickly
        ({"indicators": [5, None, "no_such"], "join": {"a": None, "b": 3}}, False),
        ([1, 2], False),
        ({"instruments": ["a"] * 1000, "bars": 500, "indicators": ["rsi"] * 8}, False),
        ({"instruments": ["a"] * 1000, "bars": 500, "join": dict.fromkeys("abcd", "greeks:iv")}, True),
        ({"instruments": ["a"] * 300, "bars": 1e300}, True),
    ],
)
def test_what_is_slow_is_known_in_the_database_too(owner: User, document: Any, slow: bool) -> None:
    made = configure(owner)
    Configuration.objects.update(document=document)
    query = f"SELECT 0, {groups.TO_GROUP} FROM signal_configurations c WHERE id = %s"
    rows = binary_rows(query, [made.pk])
    assert is_slow_document(document) is slow
    assert groups.divided(rows) == (Work([], [owner.pk]) if slow else Work([[0]], []))


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The length of a queue of our own: workers of other tests' services serve the usual one."""
    server: Any = client(settings.REDIS_URL)
    name, app = f"slow-{os.urandom(4).hex()}", tasks.take_turn.app
    for mark in server.scan_iter("config_turn:*"):  # of other tests' users, who had the same numbers
        server.delete(mark)
    with monkeypatch.context() as patch:
        patch.setitem(app.conf.task_routes, "batch.take_turn", {"queue": name})
        route_anew(app)
        yield lambda: server.llen(name)
    route_anew(app)
    server.delete(name)


def route_anew(app: Any) -> None:
    app.amqp.flush_routes()
    vars(app.amqp).pop("router", None)  # which keeps the routes that it began with


def test_an_owner_has_one_turn_in_the_queue(owner: User, another: User, queue: Any) -> None:
    for _ in range(3):
        tasks.enqueue(Work([], [owner.pk]))
    assert queue() == 1
    tasks.enqueue(Work([], [owner.pk, another.pk]))
    assert queue() == 2
    assert turns.unmark(owner.pk) and not turns.unmark(owner.pk)
    tasks.enqueue(Work([], [owner.pk]))
    assert queue() == 3


def test_a_turn_that_is_over_goes_to_the_end_of_the_queue(
    owner: User, another: User, bars: datetime, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [configure(owner, f"{bars}", bars=bars, **LIBRARY) for bars in (10, 20)]
    theirs = configure(another, "theirs", **LIBRARY)
    quick = configure(owner, "quick")
    work = starting.start_due()
    assert work.groups == [[only(quick).pk]] and sorted(work.owners) == sorted([owner.pk, another.pk])
    tasks.enqueue(Work([], [another.pk, owner.pk]))
    monkeypatch.setattr(turns, "AGAIN_SECONDS", -1.0)
    tasks.take_turn(owner.pk)
    assert queue() == 3  # one more, behind the other's
    assert {only(each).state for each in (*mine, theirs)} == {State.WAITING}
    monkeypatch.undo()
    for user in (another, owner):
        tasks.take_turn(user.pk)
        tasks.take_turn(user.pk)  # without a mark: it does nothing
    assert {only(each).state for each in (*mine, theirs)} == {State.DONE}
    assert queue() == 3 and only(quick).state == State.WAITING


def test_runs_that_ask_for_the_same_are_computed_together_and_one_that_was_tried_is_alone(
    owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = [configure(owner, name, **LIBRARY) for name in ("a", "b", "c")]
    other = configure(owner, "other", bars=60, **LIBRARY)
    starting.start_due()
    ConfigurationRun.objects.filter(configuration=same[0]).update(attempt=1)
    together = list[list[str]]()

    def stored(computed: Sequence[Computed]) -> set[int]:
        together.append(sorted(each.claim.name for each in computed))
        if together[-1] == ["a"]:
            raise RuntimeError("as if it could not be stored")
        return store(computed)

    monkeypatch.setattr(runs, "store", stored)
    assert turns.take_turn(owner.pk)
    assert together[0] == ["a"] and sorted(together[1:]) == [["b", "c"], ["other"]]
    assert only(same[0]).state == State.WAITING and only(other).state == State.DONE
    while turns.take_turn(owner.pk):
        pass
    assert only(same[0]).state == State.FAILED and len(together) == 4


def test_a_slow_run_that_has_not_ended_is_not_started_again(owner: User, bars: datetime) -> None:
    slow, quick = configure(owner, "slow", **LIBRARY), configure(owner, "quick")
    assert starting.start_due() != NOTHING
    Configuration.objects.update(next_due=timezone.now() - AFTER_BARS)
    work = starting.start_due()
    assert work.owners == [] and len(work.groups) == 1
    runs_of_slow = ConfigurationRun.objects.filter(configuration=slow).order_by("due")
    assert [(each.state, each.error) for each in runs_of_slow] == [
        (State.WAITING, ""),
        (State.MISSED, "the run before it had not ended"),
    ]
    assert set(ConfigurationRun.objects.filter(configuration=quick).values_list("state", flat=True)) == {State.WAITING}
    slow.refresh_from_db()
    assert slow.next_due is not None and slow.next_due > timezone.now()


def test_one_that_became_slow_meanwhile_waits_for_a_turn(owner: User, bars: datetime) -> None:
    made = configure(owner)
    (group,) = starting.start_due().groups
    Configuration.objects.update(document=document("one", **LIBRARY), version=2)
    assert runs.run_group(group) == 0 and only(made).state == State.WAITING
    ConfigurationRun.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
    assert sweeping.find_stalled_runs() == Work([], [owner.pk])
    assert not turns.take_turn(owner.pk) and only(made).state == State.DONE
