"""Storing configurations: versions, the outbox, messages that come late, callers in a hurry, and broken rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.test import override_settings

from signals.configs import selectors, services
from signals.configs.models import Configuration, ConfigurationChange, ConfigurationVersion
from signalsite.foundation.errors import LimitExceeded
from tests.integration.configs.conftest import DOCUMENT, NOW, OPTION, SPOT

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=1)


def saved(owner: Any, now: datetime = NOW, **changes: Any) -> Configuration:
    entry_id = changes.pop("entry_id", "")
    expected = changes.pop("expected", None)
    document = {**DOCUMENT, **changes}
    return services.save(owner, document, origin="api", now=now, entry_id=entry_id, expected=expected)[0]


def test_each_change_is_a_version_and_a_row_of_the_outbox(owner: User) -> None:
    first = saved(owner)
    assert (first.version, first.interval, first.frequency, first.active) == (1, "5m", "bar", True)
    assert first.next_due == datetime(2026, 11, 27, 5, 5, tzinfo=UTC)
    assert selectors.newest_change() > 0
    mark = selectors.newest_change()
    found, changed = services.save(owner, {**DOCUMENT, "bars": 200}, origin="api", now=LATER)
    assert (found.version, changed, selectors.newest_change()) == (1, False, mark), "an equal document"
    found, changed = services.save(owner, {**DOCUMENT, "bars": 100}, origin="stream", now=LATER, entry_id="5-0")
    assert (found.pk, found.version, changed, found.origin) == (first.pk, 2, True, "stream")
    assert (found.created_at, found.updated_at) == (NOW, LATER)
    assert [each.number for each in found.versions.all()] == [2, 1]
    assert [each.document["bars"] for each in found.versions.all()] == [100, 200]
    services.delete(found, now=LATER)
    rows = [
        (each.before and each.before["bars"], each.after and each.after["bars"], each.owner_id, each.name)
        for each in ConfigurationChange.objects.all()
    ]
    assert rows == [(None, 200, owner.pk, "nifty"), (200, 100, owner.pk, "nifty"), (100, None, owner.pk, "nifty")]
    assert not ConfigurationVersion.objects.exists()
    with pytest.raises(services.Changed, match="deleted"):
        services.delete(found, now=LATER)


def test_what_an_owner_leaves_behind_is_in_the_outbox_too(owner: User) -> None:
    saved(owner)
    owner.delete()
    change = ConfigurationChange.objects.latest("id")
    assert change.after is None and change.before["name"] == "nifty"


def test_only_changes_of_documents_are_in_the_outbox(owner: User) -> None:
    made, mark = saved(owner), selectors.newest_change()
    Configuration.objects.filter(pk=made.pk).update(next_due=LATER, entry_id="7-0")
    assert selectors.newest_change() == mark


def test_a_version_never_changes(owner: User) -> None:
    saved(owner)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        ConfigurationVersion.objects.update(document={})


def test_messages_that_come_late_change_nothing(owner: User) -> None:
    saved(owner, bars=10, entry_id="100-2")
    for entry_id in ("100-2", "100-1", "99-50", "9-0"):
        found, changed = services.save(owner, {**DOCUMENT, "bars": 20}, origin="stream", now=LATER, entry_id=entry_id)
        assert (found.document["bars"], changed) == (10, False), entry_id
    assert saved(owner, bars=10, entry_id="100-10").entry_id == "100-10", "an equal document is newer all the same"
    assert saved(owner, bars=20, entry_id="100-9").document["bars"] == 10
    assert saved(owner, bars=30).document["bars"] == 30, "the API has the last word"
    assert saved(owner, bars=40, entry_id="1000-0").document["bars"] == 40


def test_what_the_caller_has_read(owner: User) -> None:
    saved(owner, expected=services.NONE_YET)
    for expected in (services.NONE_YET, 2):
        with pytest.raises(services.Changed, match="at version 1"):
            saved(owner, bars=3, expected=expected)
    assert saved(owner, bars=3, expected=1).version == 2
    with pytest.raises(services.Changed, match="not there"):
        saved(owner, name="other", expected=1)


def test_limits_and_faults(owner: User) -> None:
    with override_settings(CONFIGS_PER_USER=1):
        saved(owner)
        saved(owner, bars=9)
        with pytest.raises(LimitExceeded, match="1 configurations"):
            saved(owner, name="second")
    with pytest.raises(services.InvalidConfiguration) as refused:
        saved(owner, interval="x", bars=0, external_functions=["mine/x"])
    assert {field for field, _ in refused.value.faults} == {"interval", "bars"}
    with pytest.raises(services.InvalidConfiguration) as refused:
        saved(owner, external_functions=["mine/x", "mine/y"])
    assert [field for field, _ in refused.value.faults] == [
        "external_functions[0].function",
        "external_functions[1].function",
    ]
    assert Configuration.objects.get().version == 2


def test_schedules(owner: User) -> None:
    made = saved(owner)
    due = made.next_due
    assert due is not None
    late = due + timedelta(minutes=30)
    assert saved(owner, late, bars=7).next_due == due, "what is due and has not begun stays due"
    assert saved(owner, late, frequency="hourly").next_due == datetime(2026, 11, 27, 5, 30, tzinfo=UTC) + timedelta(
        hours=1
    )
    assert saved(owner, late, frequency=None).next_due is None
    made = saved(owner, late, frequency="daily")
    paused = services.set_active(made, False, origin="admin", now=late)
    assert (paused.active, paused.next_due, paused.document["active"]) == (False, None, False)
    assert services.set_active(made, False, origin="admin", now=late).version == paused.version
    resumed = services.set_active(made, True, origin="admin", now=late)
    assert (resumed.active, resumed.version) == (True, paused.version + 1)
    assert resumed.next_due is not None and resumed.next_due > late


def test_two_in_a_hurry_end_with_the_later_and_no_version_is_lost(
    transactional_db: Any, owner_named: Callable[[str], User]
) -> None:
    owner, together = owner_named("ann"), Barrier(8)

    def save(number: int) -> int:
        try:
            together.wait(20)
            return saved(User.objects.get(pk=owner.pk), bars=number + 1).version
        finally:
            close_old_connections()
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        versions = sorted(pool.map(save, range(8)))
    assert versions == list(range(1, 9))
    (found,) = Configuration.objects.all()
    changes = list(ConfigurationChange.objects.filter(configuration_id=found.pk))
    assert found.version == 8 and len(changes) == 8
    assert found.document == changes[-1].after == found.versions.first().document
    assert [each.before for each in changes[1:]] == [each.after for each in changes[:-1]], "one after the other"


def test_an_older_message_in_a_hurry_never_wins(transactional_db: Any, owner_named: Callable[[str], User]) -> None:
    owner, together = owner_named("ann"), Barrier(6)

    def save(number: int) -> None:
        try:
            together.wait(20)
            saved(User.objects.get(pk=owner.pk), bars=number, entry_id=f"{number}-0")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(save, (6, 2, 5, 1, 4, 3)))
    assert Configuration.objects.get().document["bars"] == 6


def test_active_on_ticks(owner: User, caplog: pytest.LogCaptureFixture) -> None:
    saved(owner, name="spot")
    saved(owner, name="option", instruments=[OPTION], greeks=True)
    saved(owner, name="both", instruments=["BSE@SENSEX", SPOT], frequency="5s")
    saved(owner, name="other", instruments=["NSE@NIFTYNXT50"])
    saved(owner, name="paused", active=False)
    broken = saved(owner, name="broken")
    Configuration.objects.filter(pk=broken.pk).update(document={"name": "broken", "instruments": 5})
    with connection.cursor() as cursor:
        row = saved(owner, name="huge")
        cursor.execute(
            "UPDATE signal_configurations SET document = jsonb_set(document, '{bars}', %s::jsonb) WHERE id = %s",
            ["1" + "0" * 400, row.pk],
        )
    found = {each.document.name for each in selectors.active_on_ticks(["NSE@NIFTY"])}
    assert found == {"spot", "option", "both"}
    assert caplog.text.count("does not run") == 2
    assert {each.document.name for each in selectors.active_on_ticks({"BSE@SENSEX", "NSE@X"})} == {"both"}
    assert selectors.active_on_ticks([]) == []
