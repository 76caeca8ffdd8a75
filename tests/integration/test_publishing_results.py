"""Results that workers publish: they wait for a consumer, or are published where there is none."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings

from realtime.core.names import Names
from realtime.results import publishing
from realtime.results.publishing import publish_results
from signals.configs.core.results import ConfiguredResult, Source
from signalsite.foundation.redis import client

SPOT = "NSE@NIFTY@equity_spot"
TOPIC = f"results:{uuid.UUID(int=7)}:{SPOT}"
MADE = ConfiguredResult(
    configuration=uuid.UUID(int=7),
    name="nifty-5m",
    version=2,
    owner_id=1,
    instrument_key=SPOT,
    interval="5m",
    frequency="300s",
    time=datetime(2026, 11, 27, 5, tzinfo=UTC),
    source=Source.SCHEDULE,
    values={"indicators": {"rsi(length=14)": {"RSI_14": 61.5}}},
    run=3,
)


@pytest.fixture
def server(settings: Any) -> Iterator[Any]:
    settings.REDIS_URL = f"{settings.REDIS_URL}{'&' if '?' in settings.REDIS_URL else '?'}db=9"
    made: Any = client(settings.REDIS_URL)
    made.flushdb()
    yield made
    made.flushdb()


def entries(server: Any, name: str = "signal_output_stream:NSE@NIFTY") -> list[dict[bytes, bytes]]:
    return [fields for _, fields in server.xrange(name)]


def test_without_a_consumer_they_are_published_at_once(server: Any) -> None:
    later = replace(MADE, run=4)
    other = replace(MADE, instrument_key="NSE@BANKNIFTY@equity_spot", interval=None)
    publish_results([MADE, later, other], Names(), public=1)
    states = [orjson.loads(each[TOPIC.encode()]) for each in entries(server)]
    assert [each["run"] for each in states] == [3, 4]
    assert orjson.loads(server.hget("latest:NSE@NIFTY", TOPIC)) == states[1]
    newest = server.xrevrange("signal_output_stream:NSE@NIFTY", count=1)[0][0]
    assert server.hget("latest_seq:NSE@NIFTY", TOPIC) == newest
    assert [orjson.loads(each)["run"] for each in server.lrange("computed_data:NIFTY", 0, -1)] == [3, 4]
    text = orjson.loads(server.get(f"ta_results:{SPOT}:5m:300s"))
    assert text["indicators"] == {"rsi(length=14)": {"RSI_14": 61.5}}
    assert server.get("ta_results:NSE@BANKNIFTY@equity_spot:none:300s")
    assert 0 < server.ttl(f"ta_results:{SPOT}:5m:300s") <= settings.REDIS_CACHE_EXPIRY
    assert not server.exists("computed_results:NSE@NIFTY")


def test_a_back_tests_results_stand_under_its_namespace(server: Any) -> None:
    server.set("tick_owner:signals:tick_stream:NSE@NIFTY", "live")
    publish_results([replace(MADE, source=Source.BACKTEST)], Names("backtest:", "backtest"), public=1)
    assert entries(server, "backtest:signal_output_stream:NSE@NIFTY") and not entries(server)


def test_they_wait_for_a_consumer_as_many_as_may(server: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    server.set("tick_owner:signals:tick_stream:NSE@NIFTY", "somebody")
    monkeypatch.setattr(publishing, "MOST_WAITING", 3)
    left = publish_results([replace(MADE, run=run) for run in range(5)], Names(), public=1)
    assert [each.run for each in left] == [3, 4]
    waiting = server.lrange("computed_results:NSE@NIFTY", 0, -1)
    assert [orjson.loads(each)["run"] for each in waiting] == [0, 1, 2]
    assert server.ttl("computed_results:NSE@NIFTY") > 0
    assert not entries(server) and "2 results of NSE@NIFTY find no place" in caplog.text


def test_they_wait_for_consumers_of_another_group_than_the_usual(server: Any) -> None:
    server.set("tick_owner:mine:tick_stream:NSE@NIFTY", "somebody")
    publish_results([MADE], Names(group="mine"), public=1)
    assert server.llen("computed_results:NSE@NIFTY") == 1 and not entries(server)


def test_no_more_bytes_wait_than_may(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.set("tick_owner:signals:tick_stream:NSE@NIFTY", "somebody")
    monkeypatch.setattr(publishing, "MOST_WAITING_BYTES", 50_000)
    for run in range(9):
        publish_results([replace(MADE, run=run, values={"functions": {"a": "x" * 20_000}})], Names(), public=1)
    assert server.llen("computed_results:NSE@NIFTY") == 3


def test_what_waited_comes_before_what_is_published_without_a_consumer(server: Any, caplog: Any) -> None:
    server.set("tick_owner:signals:tick_stream:NSE@NIFTY", "somebody")
    publish_results([MADE], Names(), public=1)
    server.rpush("computed_results:NSE@NIFTY", "nonsense")
    server.delete("tick_owner:signals:tick_stream:NSE@NIFTY")  # it died
    publish_results([replace(MADE, run=4)], Names(), public=1)
    assert [orjson.loads(each[TOPIC.encode()])["run"] for each in entries(server)] == [3, 4]
    assert not server.exists("computed_results:NSE@NIFTY") and "is dropped" in caplog.text


def test_one_that_cannot_be_written_is_left_out_alone(server: Any, caplog: Any) -> None:
    publish_results(
        [replace(MADE, values={"functions": {"a": 10**400}}), replace(MADE, instrument_key="nonsense"), MADE],
        Names(),
        public=1,
    )
    assert len(entries(server)) == 1 and caplog.text.count("is not published") == 2


def test_a_key_of_another_type_is_an_error(server: Any) -> None:
    server.set("signal_output_stream:NSE@NIFTY", "text")
    with pytest.raises(redis.RedisError):
        publish_results([MADE], Names(), public=1)


def hours_later(hours: int, **more: Any) -> ConfiguredResult:
    return replace(MADE, time=MADE.time + timedelta(hours=hours), run=10 + hours, **more)


def test_one_that_is_published_late_replaces_no_newer_one(server: Any) -> None:
    text = f"ta_results:{SPOT}:5m:300s"
    publish_results([hours_later(2)], Names(), public=1)
    publish_results([hours_later(1), hours_later(1, configuration=uuid.UUID(int=8))], Names(), public=1)
    assert orjson.loads(server.hget("latest:NSE@NIFTY", TOPIC))["run"] == 12
    assert server.hexists("latest:NSE@NIFTY", f"results:{uuid.UUID(int=8)}:{SPOT}")  # its own newest
    assert orjson.loads(server.get(text))["time"] == "2026-11-27T07:00:00+00:00"
    assert [orjson.loads(each[TOPIC.encode()])["run"] for each in entries(server) if TOPIC.encode() in each] == [12]
    publish_results([hours_later(4), hours_later(3)], Names(), public=1)  # nor within one transaction
    assert orjson.loads(server.hget("latest:NSE@NIFTY", TOPIC))["run"] == 14
    assert orjson.loads(server.get(text))["time"] == "2026-11-27T09:00:00+00:00"


@pytest.mark.parametrize("there", [b"nonsense", b"[]", b'{"time": 5}', b'{"time": "2999-01-01T00:00:00Z"}'])
def test_what_cannot_be_read_or_is_of_a_wrong_clock_is_replaced(server: Any, there: bytes) -> None:
    server.hset("latest:NSE@NIFTY", TOPIC, there)
    server.set(f"ta_results:{SPOT}:5m:300s", there)
    publish_results([MADE], Names(), public=1)
    assert orjson.loads(server.hget("latest:NSE@NIFTY", TOPIC))["run"] == 3
    assert orjson.loads(server.get(f"ta_results:{SPOT}:5m:300s"))["version"] == 2


BROKEN = {
    "not UTF-8": b'{"time": "\xff\xfe"}',
    "not UTF-8 elsewhere": b'{"name": "\xff\xfe", "time": "2026-11-27T01:00:00+00:00"}',
    "half a character": b'{"name": "\\ud800", "time": "2026-11-27T01:00:00+00:00"}',
    "deep": b'{"values": %b%b, "time": "2026-11-27T01:00:00+00:00"}' % (b"[" * 200_000, b"]" * 200_000),
    "deep and cut": b'{"values": ' + b'{"a":' * 200_000,
    "large": b'{"name": "%b", "time": "2026-11-27T01:00:00+00:00"}' % (b"x" * 10_000_000),
    "no offset": b'{"time": "2999-01-01T00:00:00"}',
    "the last year": b'{"time": "9999-12-31T23:59:59-14:00"}',
    "the first year": b'{"time": "0001-01-01T00:00:00+14:00"}',
    "a huge number": b'{"values": 1%b, "time": "2026-11-27T01:00:00+00:00"}' % (b"0" * 5_000),
}


@pytest.mark.parametrize("there", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_there_takes_no_neighbour_along(server: Any, there: bytes) -> None:
    """One result replaces what is broken; its neighbour, which is published late, replaces no newer one."""
    other = uuid.UUID(int=8)
    publish_results([hours_later(2, configuration=other, frequency="900s")], Names(), public=1)
    server.hset("latest:NSE@NIFTY", TOPIC, there)
    server.set(f"ta_results:{SPOT}:5m:300s", there)
    publish_results([MADE, hours_later(1, configuration=other, frequency="900s")], Names(), public=1)
    newest = {topic: orjson.loads(state)["run"] for topic, state in server.hgetall("latest:NSE@NIFTY").items()}
    assert newest == {TOPIC.encode(): 3, f"results:{other}:{SPOT}".encode(): 12}
    times = [orjson.loads(server.get(f"ta_results:{SPOT}:5m:{each}"))["time"][11:13] for each in ("300s", "900s")]
    assert times == ["05", "07"]


@pytest.mark.parametrize("public", [None, 2])
def test_private_ones_have_their_topics_only(server: Any, public: int | None) -> None:
    publish_results([MADE], Names(), public=public)
    assert server.hexists("latest:NSE@NIFTY", TOPIC) and len(entries(server)) == 1
    assert not server.keys("computed_data:*") and not server.keys("ta_results:*")
