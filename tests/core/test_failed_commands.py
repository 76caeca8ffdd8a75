"""Commands that fail in a transaction, and the streams at fault."""

import redis

from realtime.core.names import Names
from realtime.ticks.core.dead_letters import DeadLetter
from realtime.ticks.core.failed_commands import failed_keys, streams_writing
from realtime.ticks.core.tick import Reason
from tests.core.test_book import SPOT, VIX, Market, call

NIFTY, INDIAVIX = "tick_stream:NSE@NIFTY", "tick_stream:NSE@INDIAVIX"


def test_a_key_is_named_once_with_the_first_complaint():
    wrong, other = redis.ResponseError("WRONGTYPE"), redis.ResponseError("else")
    commands = [("RPUSH", "a", "1"), ("LTRIM", "a", -1, -1), ("EVAL", "script", 1, "b", "x"), ("XACK", "c", "g")]
    assert failed_keys(commands, [wrong, other, other, 1]) == {"a": "RPUSH: WRONGTYPE", "b": "EVAL: else"}


def test_only_streams_that_write_to_a_key_are_at_fault():
    market, names = Market(), Names()
    frame = market.take(market.entry(VIX, 14.0), market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0))
    refused = [DeadLetter(INDIAVIX, "1-0", ["x", "y"], Reason.BAD_LTT, "")]

    def at_fault(key):
        return streams_writing(key, names, frame, refused)

    for key in ("raw_ticks:" + SPOT, "computed_data:NIFTY", "signal_output_stream:NSE@NIFTY", "latest:NSE@NIFTY"):
        assert at_fault(key) == {NIFTY}
    assert at_fault("latest_seq:NSE@INDIAVIX") == at_fault("tick_dead_letter") == {INDIAVIX}
    assert at_fault(NIFTY) == {NIFTY}
