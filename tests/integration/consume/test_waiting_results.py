"""The consumer publishes results that wait for it: each once, without ticks too, whatever is wrong with others."""

import signal
import time
import uuid
from dataclasses import replace

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
