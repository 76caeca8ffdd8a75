"""The live evaluation: when it comes, that its numbers are those of `evaluate_chain`, and what it leaves to be kept."""

from datetime import UTC, datetime

import msgspec
import numpy as np

from moneyness.core.chain_states import analytics_state, atm_state, smile_state, term_state
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.core.level_states import level_greeks
from moneyness.core.states import AnalyticsState, AtmVolatilityState, MoneynessLevel, SmileState, TermStructureState
from signals.greeks.core.conventions import GreeksParams
from tests.core.beating_market import LATER, NIFTY, PARAMS, BeatingMarket, snapshot_of, told
from tests.core.test_book import EXPIRY, NOW, SPOT, call, fair


def test_the_numbers_are_those_of_the_one_evaluation():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options(), *market.options(LATER))
    frame = market.evaluate()
    assert not frame.failures and frame.evaluated == 1
    snapshot, interest = snapshot_of([EXPIRY, LATER])
    priced = price_chains(snapshot, [NIFTY], np.zeros(1, np.bool_), interest, GreeksParams())
    found = evaluate_chain(priced, PARAMS)
    as_of = datetime.fromtimestamp(NOW, UTC).isoformat()
    encode = msgspec.json.Encoder().encode
    for group, expiry in enumerate((EXPIRY, LATER)):
        topics = frame.topics[NIFTY]
        assert topics[f"atm:{NIFTY}:{expiry}"] == encode(atm_state(found, group, as_of))
        assert topics[f"analytics:{NIFTY}:{expiry}"] == encode(analytics_state(found, group, as_of))
        assert topics[f"smile:{NIFTY}:{expiry}"] == encode(smile_state(found, group, as_of))
        for level in ("ATM", "ITM1", "OTM2", "ITM", "OTM", "OTM25D", "OTM_PCT_0_1"):
            alone = msgspec.to_builtins(level_greeks(found, group, level, as_of))
            state = told(frame, f"moneyness:{NIFTY}:{expiry}:{level}")
            assert {name: state[name] for name in alone} == msgspec.json.decode(encode(alone)), level
            assert state["both"]["options"] > 0
    assert frame.topics[NIFTY][f"term:{NIFTY}"] == encode(term_state(found, 0, as_of))


def test_levels_name_the_strikes_of_calls_and_puts():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    frame = market.evaluate()
    strikes = {"ATM": (24_100, 24_100), "ITM1": (24_000, 24_200), "OTM2": (24_300, 23_900)}
    for level, (of_call, of_put) in strikes.items():
        state = told(frame, f"moneyness:{NIFTY}:{EXPIRY}:{level}")
        assert (state["level"], state["call"]["strike"], state["put"]["strike"]) == (level, of_call, of_put)
        assert state["calls"]["strike_low"] == of_call and state["puts"]["strike_high"] == of_put
        assert state["call"]["ltp"] == fair(of_call, "call") and state["call"]["oi"] == of_call
        assert state["calls"]["delta"]["mean"] == state["call"]["delta"]
    by_delta = told(frame, f"moneyness:{NIFTY}:{EXPIRY}:OTM25D")
    assert by_delta["rule"] == "delta" and by_delta["call"]["strike"] > 24_100 > by_delta["put"]["strike"]
    whole = told(frame, f"moneyness:{NIFTY}:OTM")
    assert whole["call"] is whole["put"] is None and whole["both"]["options"] > 4
    levels = {topic.split(":")[3] for topic in frame.topics[NIFTY] if topic.startswith(f"moneyness:{NIFTY}:{EXPIRY}")}
    assert levels == {"ATM", "ITM1", "ITM2", "OTM1", "OTM2", "ITM", "OTM", "OTM25D", "OTM10D", "OTM5D", "OTM_PCT_0_1"}


def test_without_an_expiry_a_level_is_the_nearests():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options(LATER), *market.options())
    frame = market.evaluate()
    for kind, level in (("moneyness", ":ATM"), ("atm", "")):
        nearest, later = (told(frame, f"{kind}:{NIFTY}:{expiry}{level}") for expiry in (EXPIRY, LATER))
        assert told(frame, f"{kind}:{NIFTY}{level}") == nearest != later
    assert [each["expiry"] for each in told(frame, f"term:{NIFTY}")["expiries"]] == [EXPIRY, LATER]


def test_a_level_may_have_one_side_only():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options(strikes=[24_100, 24_200]))
    frame = market.evaluate()
    state = told(frame, f"moneyness:{NIFTY}:ITM1")
    assert state["call"] is None and state["calls"]["options"] == 0 and state["put"]["strike"] == 24_200
    assert f"moneyness:{NIFTY}:ITM2" not in frame.topics[NIFTY]


def test_states_are_of_their_types():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    topics = market.evaluate().topics[NIFTY]
    types = {"atm": AtmVolatilityState, "analytics": AnalyticsState, "smile": SmileState, "term": TermStructureState}
    for topic, state in topics.items():
        msgspec.json.decode(state, type=types.get(topic.partition(":")[0], MoneynessLevel), strict=True)
    assert {topic.partition(":")[0] for topic in topics} == {*types, "moneyness"}


def test_without_a_price_of_the_underlying_there_is_no_money_and_no_level_by_it():
    market = BeatingMarket()
    market.take(market.entry(call(24_000), 300.0))
    topics = market.evaluate().topics[NIFTY]
    assert not [topic for topic in topics if topic.startswith("moneyness:")]
    state = msgspec.json.decode(topics[f"atm:{NIFTY}:{EXPIRY}"])
    assert state["atm_strike"] is state["atm_implied_volatility"] is state["receipt"]["forward"] is None


# --- when -------------------------------------------------------------------------------------------------------------
