"""States of chains whose expiry is over leave Redis, and the doors say that nothing is live."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from rest_framework.exceptions import NotFound

from realtime.consumer_groups import connect
from realtime.core.names import Names
from realtime.snapshot import chain_reads
from realtime.snapshot.selectors import run
from realtime.ticks import expired_chains, restore
from realtime.ticks.core.book import Book
from realtime.ticks.expired_chains import remove_expired_chains

NAME = "NSE@EXPIRING"
OVER, TODAY, LATER = "2026-06-09", "2026-06-11", "2026-06-16"
NOW = datetime(2026, 6, 11, 15, 0, tzinfo=UTC)  # after the close: the day of the expiry is not over
UNDATED = [f"moneyness:{NAME}:ATM", f"atm:{NAME}", f"term:{NAME}"]
pytestmark = pytest.mark.django_db


def dated(day: str) -> list[str]:
    return [f"moneyness:{NAME}:{day}:ATM", *(f"{kind}:{NAME}:{day}" for kind in ("atm", "analytics", "smile"))]


@pytest.fixture
def client() -> Iterator[Any]:
    redis = connect(settings.REDIS_URL)
    keys = [*Names().chains_output(NAME), *Names().output(NAME)]
    redis.delete(*keys)
    yield redis
    redis.delete(*keys)
    redis.close()


def keep(redis: Any, *days: str) -> None:
    state = b'{"as_of":"2026-06-11T09:59:00+00:00","expiry":"%s","atm_strike":100.0}'
    states = {topic: state.replace(b"%s", day.encode()) for day in days for topic in dated(day)}
    states |= {topic: state.replace(b"%s", days[-1].encode()) for topic in UNDATED}
    _, latest, latest_seq = Names().chains_output(NAME)
    redis.hset(latest, mapping=states)
    redis.hset(latest_seq, mapping=dict.fromkeys(states, "5-1"))


def kept(redis: Any) -> list[set[str]]:
    return [set(redis.hkeys(each)) for each in Names().chains_output(NAME)[1:]]


def test_names_and_states_that_are_no_text_cost_the_others_nothing(client: Any) -> None:
    _, latest, _ = Names().chains_output(NAME)
    keep(client, OVER)
    odd = [f"smile:{NAME}:\udcff", f"atm:{NAME}:\udcff"]  # bytes that are no UTF-8, as the client reads them
    client.hset(latest, mapping=dict.fromkeys(odd, "\udcff"))
    client.hset(Names().latest(NAME), f"{NAME}@equity_spot", "\udcff")
    assert {*odd} <= {*client.hkeys(latest)}
    restore.restore_underlying(client, Book(), Names(), NAME, register=False, as_of=NOW)
    assert client.hgetall(Names().latest(NAME)) == {}
    assert remove_expired_chains(client, Names(), NAME, NOW.timestamp()) == len(dated(OVER)) + len(UNDATED) + 1
    assert kept(client) == [set(), set()]


def test_what_is_over_goes_from_both_hashes_and_the_doors_say_so(client: Any) -> None:
    keep(client, OVER, TODAY, LATER)
    odd = [f"smile:{NAME}:x", f"smile:{NAME}:2026-06-09:y", "", "\x00", f"moneyness:{NAME}:1:2:3"]
    client.hset(Names().latest_chains(NAME), mapping=dict.fromkeys(odd, "{}"))
    assert run(chain_reads.atm(NAME, {"expiry": OVER}))
    assert remove_expired_chains(client, Names(), NAME, NOW.timestamp()) == len(dated(OVER))
    left = {*dated(TODAY), *dated(LATER), *UNDATED}
    assert kept(client) == [left | {*odd}, left]
    for door in (chain_reads.atm, chain_reads.smile, chain_reads.analytics):
        with pytest.raises(NotFound):
            run(door(NAME, {"expiry": OVER}))
    assert run(chain_reads.atm(NAME, {"expiry": TODAY})) and run(chain_reads.atm(NAME, {}))
    assert remove_expired_chains(client, Names(), NAME, NOW.timestamp()) == 0


def test_without_a_live_expiry_nothing_is_the_nearest(client: Any) -> None:
    keep(client, OVER)
    remove_expired_chains(client, Names(), NAME, NOW.timestamp())
    assert kept(client) == [set(), set()]
    with pytest.raises(NotFound):
        run(chain_reads.term(NAME, {}))


def test_many_go_in_portions(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expired_chains, "MOST", 3)
    keep(client, OVER, LATER)
    assert [remove_expired_chains(client, Names(), NAME, NOW.timestamp()) for _ in range(3)] == [3, 1, 0]
    assert kept(client) == [{*dated(LATER), *UNDATED}] * 2


def test_a_consumer_that_takes_over_reads_no_strike_of_the_dead(client: Any) -> None:
    keep(client, OVER, TODAY, LATER)
    client.hset(Names().latest_chains(NAME), f"atm:{NAME}:{OVER}", "broken")
    found = restore.restore_underlying(client, Book(), Names(), NAME, register=False, as_of=NOW)
    assert found.atm_strikes == {(NAME, TODAY): 100.0, (NAME, LATER): 100.0}
    assert client.hget(Names().latest_chains(NAME), f"atm:{NAME}:{OVER}") == "broken"
