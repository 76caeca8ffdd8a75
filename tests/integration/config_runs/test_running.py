"""What a run gives, what fails alone, and which attempt counts."""

import threading
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from batch.configs import claims, runs, starting, sweeping
from batch.configs.core.findings import Finding
from batch.configs.kinds import functions
from batch.configs.kinds.units import NoTimeLeft
from batch.configs.models import UnpublishedRun
from batch.configs.storing import Computed, store
from signals.configs.core.canonical import document_of
from signals.configs.models import ComputationMetadata, Configuration, ConfigurationResult, ConfigurationRun
from tests.integration.config_runs.made import KEYS, NOTHING, configure, document, only, published, run_all
from tests.integration.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
State = ConfigurationRun.State


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


def fields_of(configuration: Configuration) -> dict[str, Any]:
    return {each.attname: getattr(configuration, each.attname) for each in Configuration._meta.fields}


def test_a_soft_time_limit_gives_the_claims_back(owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    made = configure(owner)
    (group,) = starting.start_due().groups

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
    (group,) = starting.start_due().groups
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
    (group,) = starting.start_due().groups
    (old,) = claims.claim(group)
    assert claims.claim(group) == []  # it is not free
    ConfigurationRun.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
    assert sweeping.find_stalled_runs().groups == [group]
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
    (group,) = starting.start_due().groups
    for _ in range(3):
        assert len(claims.claim(group)) == 1
        ConfigurationRun.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
    assert claims.claim(group) == []
    assert only(made).state == State.FAILED and only(made).error.startswith("tried 3 times")
    assert sweeping.find_stalled_runs() == NOTHING


def test_one_that_raises_gives_its_claim_back_and_takes_no_other_along(
    owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = configure(owner, "bad"), configure(owner, "good")
    (group,) = starting.start_due().groups

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


def test_heartbeats_go_on_after_one_that_failed(owner: User, bars: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    made = configure(owner)
    (group,) = starting.start_due().groups
    found = claims.claim(group)
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.05)
    extend = claims._EXTEND
    monkeypatch.setattr(claims, "_EXTEND", "SELECT 1 / 0, %s, %s")
    with claims.kept(found):
        time.sleep(0.3)
        monkeypatch.setattr(claims, "_EXTEND", extend)
        before = only(made).claimed_at
        time.sleep(0.3)
        after = only(made).claimed_at
    assert before is not None and after is not None and after > before


def test_a_run_that_was_given_up_is_enqueued_once(owner: User) -> None:
    made = configure(owner)
    (group,) = starting.start_due().groups
    claims.claim(group)
    for attempt in (2, 3):
        ConfigurationRun.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
        assert sweeping.find_stalled_runs().groups == [group]
        assert sweeping.find_stalled_runs() == NOTHING  # it may be in the queue still
        (again,) = claims.claim(group)
        assert again.attempt == attempt and only(made).state == State.RUNNING


@pytest.mark.parametrize("what", ["heartbeat", "giving back", "storing"])
def test_rows_are_locked_in_one_order(owner: User, what: str) -> None:
    """So no two statements wait for each other: one that cannot have the first row has none of the others."""
    for name in ("a", "b", "c"):
        configure(owner, name)
    (group,) = starting.start_due().groups
    found = sorted(claims.claim(group), key=lambda each: each.run, reverse=True)
    free = "SELECT id FROM signal_configuration_runs ORDER BY id DESC FOR UPDATE SKIP LOCKED"

    def write() -> None:
        try:
            if what == "storing":
                store([Computed(each, None, "failed") for each in found])
            else:
                with connection.cursor() as cursor:
                    statement = claims._EXTEND if what == "heartbeat" else claims._GIVE_BACK
                    cursor.execute(statement, claims._identities(found))
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM signal_configuration_runs WHERE id = %s FOR UPDATE", [min(group)])
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        until(lambda: asked(cursor, waits)[0][0], 10, "it waits for the row")
        assert [row[0] for row in asked(cursor, free)] == sorted(group, reverse=True)
    thread.join(10)
    assert not thread.is_alive()


def asked(cursor: Any, query: str) -> list[Any]:
    cursor.execute(query)
    return list(cursor.fetchall())
