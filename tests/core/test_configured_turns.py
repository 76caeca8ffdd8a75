"""Many configurations on one instrument: their results take turns, and no tick waits for all of them."""

import itertools
import uuid

from realtime.ticks.core.configured import WRITING, ConfiguredCycle
from realtime.ticks.core.plans import make_plan
from signals.configs.core.document import Document
from signals.configs.core.results import Source
from signals.greeks.core.conventions import GreeksParams
from tests.core.test_book import SPOT, Market

ALLOWED, STEP, PLANS = 0.01, 0.001, 120


def plan(number: int, *, public: bool = False):
    document = Document(name=f"c{number}", instruments=(SPOT,), interval="1m", indicators=("rsi",))
    return make_plan(document, id=uuid.UUID(int=number), owner_id=1, version=1, public=public)


def configured(market: Market, plans, allowed: float = ALLOWED) -> None:
    """Each look at the timer takes STEP seconds, and so does each configuration."""
    steps = itertools.count()
    market.cycle.configured = ConfiguredCycle(
        market.book,
        GreeksParams(),
        timer=lambda: next(steps) * STEP,
        clock=lambda: 0.0,
        allowed=allowed,
        record=60.0,
        source=Source.TICK,
        versions={"greeks": "1", "indicators": "1"},
    )
    market.cycle.configured.set_plans(plans, lambda key: True)


def shown(result) -> set[str]:
    return {topic.split(":")[1] for topic in result.topics["NSE@NIFTY"] if topic.startswith("results:")}


def test_results_take_turns_when_their_time_is_used_up() -> None:
    market = Market()
    configured(market, [plan(number) for number in range(PLANS)])
    a_cycle = round(WRITING * ALLOWED / STEP)
    found = [market.take(market.entry(SPOT, 24_000.0 + n)) for n in range(3)]
    for result in found:
        assert a_cycle <= len(shown(result)) <= a_cycle + 1, "the one that uses up the time is the last"
        assert result.left_out == PLANS - len(shown(result)) and not result.failures
        assert SPOT in result.topics["NSE@NIFTY"], "the tick itself"
    assert not shown(found[0]) & shown(found[1])
    assert len(shown(found[0]) | shown(found[1]) | shown(found[2])) == PLANS


def test_a_cycle_of_more_ticks_has_more_time() -> None:
    market = Market()
    configured(market, [plan(number) for number in range(PLANS)])
    ticks = [market.entry(SPOT, 24_000.0 + n) for n in range(300)]
    assert len(shown(market.take(*ticks))) == PLANS


def test_the_results_that_a_tick_shows_are_those_that_had_a_turn() -> None:
    market = Market()
    configured(market, [plan(number, public=True) for number in range(PLANS)])
    result = market.take(market.entry(SPOT, 24_000.0))
    state = result.computed["NIFTY"][0]
    assert state.count(b'"version":') == len(shown(result)) < PLANS
