"""Any entry of a tick stream is rejected with a reason, or everything built from it can be read."""

import dataclasses
import gc
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.ticks.contracts import default_terms
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.tick import Contract, Reason
from tests.core.hostile import ENTRIES
from tests.core.test_book import CREDULOUS, NOW, Market

STRICT = Sanity(
    refuse_zero=True, max_jump=0.5, jump_seconds=60, max_late=86_400, max_expiry_years=10, max_new_contracts=1_000
)


@pytest.mark.parametrize("own_time", [False, True])
@given(st.lists(ENTRIES, min_size=1, max_size=8), st.sampled_from([STRICT, CREDULOUS]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_accepted_is_handled_and_can_be_read(own_time, entries, sanity):
    market = Market(sanity=sanity)
    stream = "tick_stream:NSE@NIFTY"
    numbered = [(stream, f"{number}-0", entry) for number, entry in enumerate(entries, 1)]
    decoded = market.cycle.decode(numbered, NOW + 60)
    assert len(decoded.ticks) + len(decoded.rejected) + decoded.skipped == len(entries)
    assert all(each.reason in Reason and each.reason != Reason.HANDLER_ERROR for each in decoded.rejected)
    for tick in decoded.ticks:
        if tick.contract.underlying not in market.book.underlyings:
            market.book.add_underlying(tick.contract.underlying, default_terms(tick.contract.key))
    frame = market.cycle.handle(decoded.ticks, None if own_time else NOW)
    assert len(frame.ticks) == len(decoded.ticks)
    assert not frame.failures
    for values in (*frame.raw.values(), *frame.computed.values(), *map(dict.values, frame.topics.values())):
        for value in values:
            assert isinstance(orjson.loads(value), dict)
    for topics in frame.topics.values():
        for topic, state in topics.items():
            assert not set('"\\\0') & set(topic)
            if ":" not in topic:
                assert orjson.loads(state).keys() == {"instrument_key", "entry_id", "time", "tick", "as_of", "greeks"}
    for tick in frame.ticks:
        key = tick.contract.key
        assert datetime(1970, 1, 1, tzinfo=UTC) < tick.time.astimezone(UTC) and tick.seconds <= NOW + 60
        assert key.strike is None or (0 < key.strike < 10**12 and key.strike == round(key.strike, 6))


def test_what_is_refused_is_not_remembered():
    market = Market()
    keys = [f"NSE@NIFTY@equity_options@2026-12-29@call@{strike}" for strike in range(1, 2_001)]
    decoded = market.cycle.decode([market.entry(key, 1.0, at="x") for key in keys], NOW + 60)
    assert {each.reason for each in decoded.rejected} == {Reason.BAD_LTT} and len(decoded.rejected) == len(keys)
    remembered = {each.text for each in gc.get_objects() if type(each) is Contract}  # isinstance wakes lazy objects
    assert not remembered & set(keys)


def test_a_chain_that_cannot_be_repriced_takes_no_other_along(monkeypatch):
    import realtime.ticks.core.built_states as module

    market = Market()
    other = "NSE@BANKNIFTY"
    bank = f"{other}@equity_spot"
    market.take(market.entry("NSE@INDIAVIX@equity_spot", 14.0))
    market.book.add_underlying(other, dataclasses.replace(market.book.underlyings["NSE@NIFTY"].terms, spot_key=bank))
    options = [f"{name}@equity_options@2026-12-29@call@24000" for name in ("NSE@NIFTY", other)]
    market.take(*(market.entry(key, 400.0) for key in options))
    build = module.chain_states

    def failing(chain, *rest, **more):
        if chain.underlying == "NSE@NIFTY":
            raise ArithmeticError("of NIFTY")
        return build(chain, *rest, **more)

    monkeypatch.setattr(module, "chain_states", failing)
    spots = [market.entry("NSE@NIFTY@equity_spot", 24_000.0), market.entry(bank, 24_000.0)]
    frame = market.take(*spots)
    assert [name for name, _ in frame.failures] == ["repricing of NSE@NIFTY"]
    assert len(frame.ticks) == 2
    assert f"chain:{other}:2026-12-29" in frame.topics[other]
    assert options[0] not in frame.topics["NSE@NIFTY"] and options[1] in frame.topics[other]
    assert "NSE@NIFTY@equity_spot" in frame.topics["NSE@NIFTY"]
