"""Implausible ticks: jumps, late ticks, and limits on new contracts."""

import orjson
import pytest

from realtime.core.paused_streams import FIRST_SECONDS, LONGEST_SECONDS, PausedStreams
from realtime.ticks.core.new_contracts import NewContractLimits
from realtime.ticks.core.tick import Reason
from tests.core.test_book import NOW, SPOT, VIX, Market, call, published
from tests.core.test_hostile_ticks import STRICT

DAY = 86_400


def market():
    return Market(sanity=STRICT)


def marks(frame):
    return [tick.suspect for tick in frame.ticks]


def test_a_jump_is_kept_marked_and_believed_by_nobody():
    m = market()
    m.take(m.entry(SPOT, 24_000.0), m.entry(call(24_000), 400.0))
    frame = m.take(m.entry(SPOT, 240_000.0, at=NOW + 1, note="x"), now=NOW + 1)
    assert marks(frame) == ["jump"]
    assert orjson.loads(frame.raw[SPOT][0])["suspect"] == "jump"
    assert orjson.loads(frame.raw[SPOT][0])["note"] == "x"
    assert not frame.topics and not frame.computed
    frame = m.take(m.entry(call(24_000), 401.0, at=NOW + 2), now=NOW + 2)
    assert published(frame, call(24_000))["greeks"]["underlying_price"] == 24_000
    assert marks(m.take(m.entry(SPOT, 24_010.0, at=NOW + 3), now=NOW + 3)) == [""]


@pytest.mark.parametrize(("price", "mark"), [(36_001, "jump"), (36_000, ""), (11_999, "jump"), (12_000, "")])
def test_half_the_price_is_the_bound_within_a_batch_too(price, mark):
    m = market()
    frame = m.take(m.entry(SPOT, 24_000.0), m.entry(SPOT, price, at=NOW + 1), m.entry(SPOT, 24_001.0, at=NOW + 2))
    assert marks(frame)[1] == mark


def test_a_true_change_of_level_is_believed_after_a_minute():
    m = market()
    begin = NOW - 100
    m.take(m.entry(SPOT, 100.0, at=begin))
    seen = [marks(m.take(m.entry(SPOT, 300.0, at=begin + second)))[0] for second in (1, 30, 60, 61, 62)]
    assert seen == ["jump", "jump", "jump", "", ""]


def test_a_late_one_is_compared_with_the_price_of_its_time():
    m = market()
    m.take(m.entry(SPOT, 100.0, at=NOW - 100))
    m.take(m.entry(SPOT, 300.0, at=NOW))
    assert marks(m.take(m.entry(SPOT, 101.0, at=NOW - 90), m.entry(SPOT, 290.0, at=NOW - 80))) == ["", "jump"]


def test_a_middle_that_is_sane_hides_no_trade_that_is_not():
    m = market()
    m.take(m.entry(VIX, 14.0))
    assert marks(m.take(m.entry(VIX, 1e9, bid=13.9, ask=14.1))) == ["jump"]
    assert marks(m.take(m.entry(VIX, 14.0, bid=1e9, ask=2e9))) == ["jump"]


def test_options_may_jump():
    m = market()
    m.take(m.entry(call(24_000), 1.0))
    assert marks(m.take(m.entry(call(24_000), 100.0))) == [""]


def test_more_than_a_day_late_is_kept_marked_and_told_to_nobody():
    m = market()
    frame = m.take(m.entry(call(24_000), 1.0, at=NOW - DAY - 1), m.entry(call(24_100), 1.0, at=NOW - DAY + 1))
    assert marks(frame) == ["late", ""]
    assert call(24_000) not in frame.topics["NSE@NIFTY"] and call(24_100) in frame.topics["NSE@NIFTY"]
    assert call(24_000) not in m.book.rows


def test_with_its_own_time_nothing_is_late_and_jumps_are_jumps():
    m = market()
    frame = m.take(
        *(m.entry(SPOT, price, at=NOW - 400 * DAY + place) for place, price in enumerate((1, 2, 1))), now=None
    )
    assert marks(frame) == ["", "jump", ""]


def test_what_others_tell_is_doubted_too():
    m = market()
    m.cycle.observe(m.cycle.decode([m.entry(VIX, 14.0)], NOW).ticks, NOW)
    m.cycle.observe(m.cycle.decode([m.entry(VIX, 1_400.0)], NOW).ticks, NOW)
    assert m.book.recent[VIX].at(NOW)[1] == 14.0


def new(m, *keys, at=NOW):
    entries = [m.entry(key, 1.0, at=at) for key in keys]
    return {tick.contract.text: tick for tick in m.cycle.decode(entries, NOW + 60).ticks}


def test_a_feed_lists_nothing_beyond_ten_years_of_its_tick():
    m, new_contracts = market(), NewContractLimits(STRICT)
    near, far, past = (call(1, expiry) for expiry in ("2036-11-29", "2036-12-03", "2016-11-27"))
    assert {key: why.reason for key, why in new_contracts.reject(new(m, near, far, past), NOW).items()} == {
        far: Reason.FAR_EXPIRY,
        past: Reason.FAR_EXPIRY,
    }
    assert not new_contracts.reject(new(m, past, at=NOW - 5 * 365 * DAY), None)


def test_a_feed_lists_so_many_a_minute_and_underlying():
    m, new_contracts = market(), NewContractLimits(STRICT)
    first = new(m, *(call(strike) for strike in range(1, 1_003)))
    refused = new_contracts.reject(first, NOW)
    assert list(refused) == [call(1_001), call(1_002)]
    assert {why.reason for why in refused.values()} == {Reason.TOO_MANY_NEW}
    assert new_contracts.reject(first, NOW).keys() == refused.keys()  # asking does not count
    new_contracts.count({key: tick for key, tick in first.items() if key not in refused}, NOW)
    assert list(new_contracts.reject(new(m, call(5_000), VIX), NOW + 1)) == [call(5_000)]
    assert not new_contracts.reject(new(m, call(5_000)), NOW + 60)


def test_a_stream_at_fault_waits_longer_each_time():
    paused = PausedStreams()
    waits = [paused.pause("s", 0.0) for _ in range(9)]
    assert waits[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS] and waits[-1] == LONGEST_SECONDS
    assert paused.at(LONGEST_SECONDS - 1) == {"s"} and not paused.at(LONGEST_SECONDS)
    paused.succeeded("s")
    assert paused.pause("s", 0.0) == FIRST_SECONDS
