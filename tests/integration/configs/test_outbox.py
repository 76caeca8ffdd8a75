"""The outbox of configurations: which version each change made, and so which cached values a change leaves alone."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from realtime.configs import outbox
from realtime.configs.lease import Lease
from realtime.configs.outbox import Outbox
from realtime.consumer_groups import connect
from realtime.core.names import Names
from realtime.core.topic_grammar import results_topic
from signals.configs import services
from signals.configs.models import Configuration, ConfigurationChange
from tests.integration.configs.conftest import DOCUMENT, NOW, SPOT

pytestmark = pytest.mark.django_db
LEASE = "test_outbox_lease"
NAMES = Names()
_, LATEST, LATEST_SEQ = NAMES.output("NSE@NIFTY")


def saved(owner: Any, name: str, **changes: Any) -> Configuration:
    return services.save(owner, {**DOCUMENT, "name": name, **changes}, origin="api", now=NOW)[0]


@pytest.fixture
def redis() -> Iterator[Any]:
    client = connect(settings.REDIS_URL)
    yield client
    client.delete(LEASE, LATEST, LATEST_SEQ, *client.scan_iter("config:*"))


@pytest.fixture
def box(redis: Any) -> Outbox:
    lease = Lease(redis, LEASE, name="outbox", seconds=30)
    assert lease.take()
    return Outbox(redis, lease, NAMES)


def publish(redis: Any, configuration: Configuration, version: int) -> None:
    topic = results_topic(configuration.pk, SPOT)
    redis.hset(LATEST, topic, orjson.dumps({"version": version}))
    redis.hset(LATEST_SEQ, topic, "1-1")


def published(redis: Any, configuration: Configuration) -> int | None:
    """Return the version of the result in the configuration's topic, None for none."""
    topic = results_topic(configuration.pk, SPOT)
    state = redis.hget(LATEST, topic)
    assert redis.hexists(LATEST_SEQ, topic) == (state is not None)
    return None if state is None else orjson.loads(state)["version"]


def test_each_row_has_the_version_that_its_change_made_whichever_rows_are_applied_together(owner: User) -> None:
    made: list[int | None] = []

    def note(configuration: Configuration | None) -> None:
        """The newest row is of this change; None: of one whose configuration is gone in the end."""
        made.append(configuration.version if configuration else None)

    first = saved(owner, "first")
    note(first)
    note(other := saved(owner, "other"))
    note(saved(owner, "first", bars=100))
    saved(owner, "first", bars=100)  # an equal document: no version and no row
    note(services.set_active(other, False, origin="api", now=NOW))
    note(gone := saved(owner, "gone") and None)
    note(gone := saved(owner, "gone", bars=100) and None)
    note(saved(owner, "first", bars=200))
    services.delete(Configuration.objects.get(name="gone"), now=NOW)
    note(gone)
    note(saved(owner, "gone"))  # another one of the same name
    note(services.set_active(other, True, origin="api", now=NOW))
    assert made == [1, 1, 2, 2, None, None, 3, None, 1, 3]

    rows = list(ConfigurationChange.objects.order_by("id"))
    expected = {row.pk: version for row, version in zip(rows, made, strict=True) if version is not None}
    for begin in range(len(rows)):
        for end in range(begin + 1, len(rows) + 1):
            some = rows[begin:end]
            found = outbox._versions(some)
            assert {row.pk: found.get(row.pk) for row in some} == {row.pk: expected.get(row.pk) for row in some}


def test_a_change_that_is_applied_late_clears_what_is_older_than_its_own_version(
    owner: User, box: Outbox, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own version stays, although a newer one is in the database: that one's row clears it."""
    monkeypatch.setattr(outbox, "ROWS", 1)
    one = saved(owner, "one")
    assert box.apply(now=NOW) == 1
    neighbour = saved(owner, "two")
    publish(redis, neighbour, 1)
    assert box.apply(now=NOW) == 1
    for bars in (100, 200):
        one = saved(owner, "one", bars=bars)
    publish(redis, one, 1)
    assert box.apply(now=NOW) == 1
    assert published(redis, one) is None
    publish(redis, one, 2)
    monkeypatch.setattr(outbox, "LOOK_AGAIN", (0.0, 15.0))
    box.look_again()
    assert published(redis, one) == 2
    assert box.apply(now=NOW) == 1
    assert published(redis, one) is None
    publish(redis, one, 3)
    box.look_again()
    assert (published(redis, one), published(redis, neighbour)) == (3, 1)
    assert box.apply(now=NOW) == 0


def test_of_a_configuration_that_is_gone_nothing_stays(owner: User, box: Outbox, redis: Any) -> None:
    one = saved(owner, "one")
    one = saved(owner, "one", bars=100)
    services.delete(Configuration.objects.get(pk=one.pk), now=NOW)
    again = saved(owner, "one", bars=200)
    publish(redis, one, 2)
    publish(redis, again, 1)
    assert box.apply(now=NOW) == 4
    assert (published(redis, one), published(redis, again)) == (None, 1)


def test_a_document_that_was_changed_by_hand_without_a_version_clears_nothing_newer(
    owner: User, box: Outbox, redis: Any
) -> None:
    one, two = saved(owner, "one"), saved(owner, "two")
    box.apply(now=NOW)
    Configuration.objects.filter(pk=one.pk).update(document={**one.document, "bars": 77})
    saved(owner, "two", bars=77)
    publish(redis, one, 1)
    publish(redis, two, 1)
    assert box.apply(now=NOW) == 2
    assert (published(redis, one), published(redis, two)) == (1, None)
