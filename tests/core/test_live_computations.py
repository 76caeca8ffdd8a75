"""Declared computations in the live cycle: each state has their results, also that of a repriced option."""

import numpy as np
import pytest

from realtime.ticks.live_computations import joining, live_computations
from signals.greeks.core.conventions import GreeksParams
from tests.core.test_book import NOW, SPOT, Market, call, fair, published


def test_quotes_of_ticks_and_of_repriced_options() -> None:
    market = Market(computations=joining(["quotes"]))
    price = fair(24_000, "call")
    first = market.take(
        market.entry(SPOT, 24_000.0),
        market.entry(call(24_000), price, bid=price - 1, ask=price + 1, oi=75),
        market.entry(call(25_000), 9.0, bid=12, ask=10),
        market.entry(call(26_000), 0.0, bid=3),
    )
    two_sided, crossed, one_sided = (published(first, call(strike))["quotes"] for strike in (24_000, 25_000, 26_000))
    assert (two_sided["status"], two_sided["market"], two_sided["price_source"]) == ("ok", "two_sided", "mid")
    assert (two_sided["open_interest"], two_sided["age_seconds"], two_sided["settle"]) == (75, 0, None)
    assert (crossed["market"], crossed["price"], crossed["price_source"]) == ("crossed", 9.0, "last")
    assert (one_sided["status"], one_sided["price"], one_sided["retryable"]) == ("one_sided", None, False)
    assert published(first, SPOT)["quotes"]["price"] == 24_000
    later = market.take(market.entry(SPOT, 24_010.0, at=NOW + 1), now=NOW + 1)
    state = published(later, call(24_000))
    assert state["quotes"] == {**two_sided, "age_seconds": 1.0}  # no tick of its own
    assert state["greeks"]["price_used"] == pytest.approx(state["quotes"]["price"])


def test_a_late_tick_is_told_with_its_own_numbers() -> None:
    market = Market(computations=joining(["quotes"]))
    market.take(market.entry(call(24_000), 400.0, oi=5))
    frame = market.take(market.entry(call(24_000), 390.0, oi=4, at=NOW - 5))
    (text,) = frame.computed["NIFTY"]
    assert b'"last":390.0' in text and b'"open_interest":4.0' in text and b'"age_seconds":5.0' in text


def test_only_what_needs_no_database_can_join() -> None:
    assert set(live_computations()) == {"quotes"}
    assert not joining([])


def test_without_computations_a_state_says_greeks_only() -> None:
    market = Market(GreeksParams())
    state = published(market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0)), call(24_000))
    assert "quotes" not in state and np.isfinite(state["greeks"]["delta"])
