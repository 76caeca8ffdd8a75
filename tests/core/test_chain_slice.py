"""The states of a repriced chain: slices around the money."""

import msgspec
import pytest

from moneyness.core.chain_slice import ChainSlice
from realtime.core.states import InstrumentState
from tests.core.test_book import EXPIRY, NOW, SPOT, Market, call, fair, published, put

LATER = "2027-01-26"
CHAIN = f"chain:NSE@NIFTY:{EXPIRY}"
STRIKES = range(23_600, 24_500, 100)


def whole(market: Market, expiry: str = EXPIRY, strikes=STRIKES):
    made = []
    for strike in strikes:
        for right, key in (("call", call), ("put", put)):
            price = fair(strike, right, expiry=expiry)
            made.append(market.entry(key(strike, expiry), price, bid=price - 0.5, ask=price + 0.5, oi=strike))
    return made


def test_a_slice_says_of_each_strike_what_its_options_say():
    market = Market()
    frame = market.take(market.entry(SPOT, 24_000.0), *whole(market))
    told = published(frame, CHAIN)
    assert told["strikes"] == [
        23_900,
        24_000,
        24_100,
        24_200,
        24_300,
    ]  # two on each side of the strike nearest to the forward
    assert (told["underlying"], told["expiry"], told["spot"]) == ("NSE@NIFTY", EXPIRY, 24_000)
    assert (told["forward_source"], told["atm_strike"]) == ("parity", 24_100)
    assert told["forward"] == pytest.approx(24_122, abs=2)
    assert told["atm_implied_volatility"] == pytest.approx(0.15)
    for side, key in (("call", call), ("put", put)):
        for place, strike in enumerate(told["strikes"]):
            state = published(frame, key(int(strike)))
            assert told["as_of"] == state["as_of"]
            for name in ("ltp", "bid", "ask", "oi"):
                assert told[side][name][place] == state["tick"][name]
            for name in ("implied_volatility", "delta", "gamma", "theta", "vega"):
                assert told[side][name][place] == state["greeks"][name]


def test_what_is_not_known_is_null():
    market = Market()
    frame = market.take(
        market.entry(SPOT, 24_000.0), market.entry(call(24_000), 300.0), market.entry(put(24_200), 0.05)
    )
    told = published(frame, CHAIN)
    assert told["strikes"] == [24_000, 24_200]
    assert told["call"]["ltp"] == [300, None] and told["put"]["ltp"] == [None, 0.05]
    assert told["call"]["bid"] == [None, None] and told["put"]["oi"] == [None, None]
    assert told["call"]["delta"][1] is None and told["put"]["delta"] == [None, None]  # the put is below its intrinsic
    assert told["atm_implied_volatility"] is None  # the money is at the put's strike, and its volatility is unknown


def test_without_a_forward_there_is_no_money():
    """A future that moved to no price, and no spot."""
    market = Market()
    frame = market.take(market.entry(f"NSE@NIFTY@equity_futures@{EXPIRY}", 0.0), market.entry(call(24_000), 300.0))
    told = published(frame, CHAIN)
    assert told["call"]["ltp"] == [300]
    for name in ("spot", "forward", "forward_source", "atm_strike", "atm_implied_volatility"):
        assert told[name] is None


def test_slices_come_at_the_beat_with_what_was_last_known():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0), *whole(market))
    frame = market.take(market.entry(call(24_100), 1.0, at=NOW + 0.1), now=NOW + 0.1)
    assert CHAIN not in frame.topics["NSE@NIFTY"]
    late = market.entry(call(24_100), 7.0, at=NOW - 60)
    frame = market.take(late, market.entry(SPOT, 24_010.0, at=NOW + 1), now=NOW + 1)
    told = published(frame, CHAIN)
    place = told["strikes"].index(24_100)
    assert told["call"]["ltp"][place] == 1.0
    assert (
        published(frame, call(24_100))["tick"]["ltp"] == 1.0
    )  # a late tick does not keep the option from being repriced
    assert told["call"]["delta"][place] == published(frame, call(24_100))["greeks"]["delta"]


def test_an_expired_expiry_is_told_of_no_more():
    market = Market()
    expired = market.entry(call(24_000, "2026-11-24"), 300.0)
    frame = market.take(market.entry(SPOT, 24_000.0), expired, *whole(market, strikes=[24_000]))
    assert [topic for topic in frame.topics["NSE@NIFTY"] if topic.startswith("chain:")] == [CHAIN]


def test_a_chain_without_options_tells_nothing():
    market = Market()
    assert list(market.take(market.entry(SPOT, 24_000.0)).topics["NSE@NIFTY"]) == [SPOT]
    assert not market.take(now=NOW + 9).topics


def test_states_are_of_their_types():
    market = Market()
    frame = market.take(market.entry(SPOT, 24_000.0), *whole(market))
    topics = frame.topics["NSE@NIFTY"]
    assert msgspec.json.decode(topics[CHAIN], type=ChainSlice).atm_strike == 24_100
    state = msgspec.json.decode(topics[call(24_100)], type=InstrumentState)
    assert state.greeks and state.greeks["status"] == "ok"
    assert set(msgspec.json.decode(topics[call(24_100)])) == set(InstrumentState.__struct_fields__)
