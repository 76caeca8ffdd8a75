"""The consumer publishes results that wait for it: each once, without ticks too, whatever is wrong with others."""

import signal
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import orjson

from realtime.core.result_states import encode_result
from tests.core.test_result_states import MADE, SPOT
from tests.integration.consume.live import tick
from tests.integration.processes import until

LIST = "computed_results:NSE@NIFTY"


def published(live):
    """Return the runs of all results in the output stream, in their order."""
    return [
        orjson.loads(state)["run"]
        for _, fields in live.redis.xrange("signal_output_stream:NSE@NIFTY")
        for topic, state in fields.items()
        if topic.startswith("results:")
    ]


def waiting(run, **more):
    return encode_result(replace(MADE, run=run, **more))


def test_results_are_published_without_ticks_and_what_is_unreadable_is_dropped(live):
    live.publish([tick()])
    with live.consumer():
        live.drain()
        live.redis.rpush(
            LIST, waiting(1), "nonsense", b"\xff\xfe", waiting(2), waiting(3, configuration=uuid.UUID(int=8))
        )
        until(lambda: not live.redis.exists(LIST), 5, "the list is empty")
    assert sorted(published(live)) == [1, 2, 3]
    topic = f"results:{MADE.configuration}:{SPOT}"
    assert orjson.loads(live.redis.hget("latest:NSE@NIFTY", topic))["run"] == 2
    # They are private: nobody has such a configuration.
    assert not live.redis.exists(f"ta_results:{SPOT}:5m:none")
    assert [orjson.loads(each).get("run") for each in live.redis.lrange("computed_data:NIFTY", 0, -1)] == [None]
    assert live.log.read_text().count("a result that waits for NSE@NIFTY is dropped") == 2


def test_what_is_broken_in_redis_takes_no_neighbour_along(live):
    """Neither the newest states that results are compared with, nor results that wait: deep, large or no text."""
    deep = b'{"values": %b%b, "time": "2026-11-27T01:00:00+00:00"}' % (b"[" * 200_000, b"]" * 200_000)
    broken = [b'{"time": "\xff\xfe"}', deep, b'{"name": "%b"}' % (b"x" * 2_000_000)]
    ours = [replace(MADE, run=run, configuration=uuid.UUID(int=100 + run)) for run in range(len(broken) + 1)]
    topics = [f"results:{each.configuration}:{SPOT}" for each in ours]
    live.publish([tick()])
    with live.consumer():
        live.drain()
        live.redis.hset("latest:NSE@NIFTY", mapping=dict(zip(topics, broken, strict=False)))
        late = replace(ours[-1], time=ours[-1].time - timedelta(hours=1), run=99)
        live.redis.rpush(LIST, encode_result(ours[-1]), *broken, *map(encode_result, ours[:-1]), encode_result(late))
        until(lambda: not live.redis.exists(LIST), 5, "the list is empty")
        live.publish([tick(ltp=24_001.0)])
        live.drain()
    newest = [orjson.loads(state)["run"] for state in live.redis.hmget("latest:NSE@NIFTY", topics)]
    assert newest == [each.run for each in ours]
    assert sorted(published(live)) == newest
    assert live.log.read_text().count("a result that waits for NSE@NIFTY is dropped") == len(broken)
    assert "Traceback" not in live.log.read_text() and live.stored() == 2


def test_kills_lose_no_result_and_double_none(live):
    """Each result that a list had is in the output stream once, however often the consumer dies."""
    live.publish([tick()])
    run = 0
    for _ in range(3):
        with live.consumer() as child:
            until(lambda: live.redis.keys("tick_owner:*"), 20, "a lease")
            for _ in range(20):
                live.redis.rpush(LIST, *(waiting(run + each) for each in range(20)))
                run += 20
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
            child.wait(10)
    with live.consumer():
        until(lambda: not live.redis.exists(LIST), 20, "the list is empty")
    assert sorted(published(live)) == list(range(run))


def test_a_list_of_another_type_costs_only_itself(live):
    live.redis.set(LIST, "text")
    live.publish([tick()])
    with live.consumer():
        live.drain()
        live.redis.rpush("computed_results:NSE@INDIAVIX", waiting(5, instrument_key="NSE@INDIAVIX@equity_spot"))
        live.publish([tick("NSE@INDIAVIX@equity_spot", 13.5)])
        until(lambda: not live.redis.exists("computed_results:NSE@INDIAVIX"), 20, "the list is empty")
        live.publish([tick(ltp=24_001.0)])
        live.drain()
    assert live.stored() == 3
    assert live.log.read_text().count(f"{LIST} cannot be read") == 1
