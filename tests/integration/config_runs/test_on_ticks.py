"""Heavy work for a tick, which workers do: its result names the tick, and work of what has ended is not done."""

from datetime import datetime
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from batch.configs.on_ticks import compute_on_ticks
from realtime.core.names import Names
from signals.configs.models import Configuration
from signalsite.foundation.redis import client
from tests.integration.config_runs.made import KEYS, configure
from timeframes.core.keys import parse_key

pytestmark = pytest.mark.django_db(transaction=True)
ENTRY = "1764000000000-7"
LABELS = {"indicators": ["rsi(length=14)"]}
NAMES = Names(group="nobody-consumes")  # so that a result is published at once


def compute(made: Configuration, bars: datetime, version: int = 1) -> int:
    ticks = [(KEYS[0], ENTRY, bars.isoformat())]
    return compute_on_ticks(made.id, version, LABELS, ticks, names=NAMES)


def newest(made: Configuration) -> bytes | None:
    found: Any = client(settings.REDIS_URL).hget(
        NAMES.latest(parse_key(KEYS[0]).underlying), f"results:{made.id}:{KEYS[0]}"
    )
    return found


def test_a_result_has_its_tick_and_what_was_asked_for(owner: User, bars: datetime) -> None:
    made = configure(owner)
    assert compute(made, bars) == 1
    stored = newest(made)
    assert stored is not None
    state = orjson.loads(stored)
    assert (state["source"], state["tick"], state["version"]) == ("tick", ENTRY, 1)
    assert datetime.fromisoformat(state["time"]) == bars
    assert state["values"].keys() == {"indicators"}
    assert 0 < state["values"]["indicators"]["rsi(length=14)"]["RSI_14"] < 100


@pytest.mark.parametrize("ended", ["account", "configuration", "version"])
def test_what_has_ended_is_not_computed(owner: User, bars: datetime, ended: str) -> None:
    made = configure(owner)
    if ended == "account":
        User.objects.filter(pk=owner.pk).update(is_active=False)
    if ended == "configuration":
        Configuration.objects.filter(pk=made.pk).update(active=False)
    assert compute(made, bars, version=2 if ended == "version" else 1) == 0
    assert newest(made) is None
