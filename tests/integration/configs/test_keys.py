"""The keys of configurations are the same, however many are compared at a time."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from realtime.configs.core.affected import narrowed, slots
from realtime.configs.keys import config_key, load_initial_configurations
from realtime.configs.lease import Lease
from realtime.consumer_groups import connect
from signals.configs.models import Configuration

LEASE = "test_keys_lease"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis():
    client = connect(settings.REDIS_URL)
    client.delete(LEASE)
    _clear(client)
    yield client
    client.delete(LEASE)
    _clear(client)


def _clear(client):
    for key in client.scan_iter("config:*"):
        client.delete(key)


def _held(client):
    return {key: client.get(key) for key in client.scan_iter("config:*")}


def _spoil(client, keys):
    _clear(client)
    for place, key in enumerate(keys):
        if place % 3 == 0:
            client.set(key, "{}")
        elif place % 3 == 1:
            client.sadd(key, "of another type")
    client.set("config:NSE@GONE@equity_spot-5m-bar", "{}")
    client.set(b"config:\xff-5m-bar", "{}")


def _stored(chance):
    """Store configurations that compete for few keys, and some that only another hand can have written."""
    owner, begin = User.objects.create_user("keys"), datetime(2026, 1, 5, tzinfo=UTC)
    documents = [
        {
            "instruments": [f"NSE@N-{n}@equity_spot" for n in chance.sample(range(40), chance.randrange(1, 30))],
            "interval": chance.choice(["5m", "15m"]),
            "frequency": chance.choice(["bar", None]),
            "number": number,
        }
        for number in range(20)
    ] + [{"instruments": 7}, {"instruments": [["NSE@A@equity_spot"], None]}, {}, [], "text"]
    for number, document in enumerate(documents):
        moment = begin + timedelta(seconds=chance.randrange(5))  # some at one time: then the identity decides
        Configuration.objects.create(
            id=uuid.UUID(int=chance.getrandbits(128)), owner=owner, name=str(number), active=chance.random() < 0.8,
            document=document, origin="api", created_at=moment, updated_at=moment,
        )  # fmt: skip


def _expected():
    found = {}
    for document in (
        Configuration.objects.filter(active=True).order_by("updated_at", "id").values_list("document", flat=True)
    ):
        for slot in slots(document):
            found[config_key(slot)] = orjson.dumps(
                narrowed(document, slot.instrument_key), option=orjson.OPT_SORT_KEYS
            ).decode()
    return found


def test_each_key_has_the_configuration_that_changed_last_in_one_part_or_in_many(redis):
    _stored(random.Random(7))
    expected = _expected()
    assert len(expected) > 50
    lease = Lease(redis, LEASE, name="keys", seconds=30)
    assert lease.take()
    wrong = []
    for most in (200_000, 60):
        _spoil(redis, sorted(expected))
        wrong.append(load_initial_configurations(redis, lease, most=most))
        assert _held(redis) == expected
        assert load_initial_configurations(redis, lease, most=most) == 0
    assert wrong == [len(expected) + 2] * 2
