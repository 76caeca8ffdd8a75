"""When live chains are evaluated, and which."""

import dataclasses
import math
from datetime import UTC, datetime

import pytest

from realtime.ticks.core.chain_beat import SHARE
from tests.core.beating_market import (
    NIFTY,
    STRIKES,
    BeatingMarket,
    told,
)
from tests.core.test_book import EXPIRY, NOW, SPOT, VIX, put


def test_a_chain_is_due_once_an_interval_if_it_has_ticked():
    market = BeatingMarket()
    assert market.beat.due_in(NOW) == math.inf
    market.take(market.entry(SPOT, 24_000.0), market.entry(VIX, 14.0))
    assert market.beat.due_in(NOW) == math.inf  # no options
    market.take(*market.options())
    assert market.beat.due_in(NOW) == 0 and market.evaluate().evaluated == 1
    assert market.beat.due_in(NOW + 9) == math.inf  # nothing has ticked
    market.take(market.entry(put(24_100), 300.0, at=NOW + 0.2), now=NOW + 0.2)
    assert market.beat.due_in(NOW + 0.25) == pytest.approx(0.75)
    assert not market.evaluate(NOW + 0.9).topics
    assert market.evaluate(NOW + 1).evaluated == 1
    market.take(market.entry(put(24_100), 301.0, at=NOW + 1.1), now=NOW + 1.1)
    assert market.beat.due_in(NOW - 3600) == 0  # the clock was set back


def test_smiles_are_published_at_their_own_interval_and_the_skew_is_always_the_fits():
    market = BeatingMarket()
    smiles, skews = [], []
    for second in range(7):
        market.take(market.entry(SPOT, 24_000.0, at=NOW + second), *market.options(at=NOW), now=NOW + second)
        frame = market.evaluate(NOW + second)
        smiles.append(f"smile:{NIFTY}:{EXPIRY}" in frame.topics[NIFTY])
        skews.append(told(frame, f"analytics:{NIFTY}:{EXPIRY}")["skew_from"])
    assert smiles == [True, False, False, False, False, True, False]
    assert skews == ["fit"] * 7
    market = BeatingMarket(smile_interval=0.0)
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    frame = market.evaluate()
    assert not [topic for topic in frame.topics[NIFTY] if topic.startswith("smile:")]
    assert told(frame, f"analytics:{NIFTY}:{EXPIRY}")["skew_from"] is None  # too few strikes


def test_the_newest_ticks_are_in_a_smile_though_no_other_follows():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options(strikes=[24_000]))
    assert len(told(market.evaluate(), f"smile:{NIFTY}:{EXPIRY}")["points"]["strike"]) == 1
    market.take(*market.options(at=NOW + 1), now=NOW + 1)
    market.evaluate(NOW + 1)
    assert market.beat.due_in(NOW + 2) == pytest.approx(3)
    assert len(told(market.evaluate(NOW + 5), f"smile:{NIFTY}:{EXPIRY}")["points"]["strike"]) == len(STRIKES)
    assert market.beat.due_in(NOW + 100) == math.inf


def test_evaluations_rest_so_that_they_take_a_bounded_share_of_the_time():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    market.beat.rest(NOW, 0.5)
    assert market.beat.due_in(NOW) == pytest.approx(0.5 / SHARE - 0.5)
    assert market.beat.due_in(NOW + 5) == 0
    assert market.beat.due_in(NOW - 7200) == 0  # the clock was set back


def test_many_chains_are_evaluated_in_portions_and_in_turn():
    market = BeatingMarket()
    names = [f"NSE@STOCK{number}" for number in range(5)]
    for name in names:
        spot = f"{name}@equity_spot"
        market.book.add_underlying(name, dataclasses.replace(market.book.underlyings[NIFTY].terms, spot_key=spot))
    strikes = range(1, 11)

    def tick(second):
        options = [f"{name}@equity_options@{EXPIRY}@call@{strike}" for name in names for strike in strikes]
        market.take(*(market.entry(key, 5.0, at=NOW + second) for key in options), now=NOW + second)

    tick(0)
    chosen = [[chain.underlying for chain in market.beat.choose(NOW, 25)] for _ in range(3)]
    assert chosen == [names[:2], names[2:4], names[4:]] and not market.beat.choose(NOW, 25)
    tick(1)
    assert [chain.underlying for chain in market.beat.choose(NOW + 1, 1)] == names[:1]
    tick(2)
    assert [chain.underlying for chain in market.beat.choose(NOW + 2, 45)] == names[1:]


def test_it_can_be_turned_off():
    market = BeatingMarket(interval=0.0)
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    assert market.beat.due_in(NOW) == math.inf and not market.evaluate().topics


def test_with_the_ticks_own_times_each_instant_is_evaluated_at_its_time():
    market = BeatingMarket(records=False)
    entries = market.options()
    for second in (1, 2):
        entries.append(market.entry(SPOT, 24_000.0 + second, at=NOW + second))
    decoded = market.cycle.decode(entries, NOW + 60)
    frame = market.cycle.handle(decoded.ticks, None)
    assert frame.evaluated == 3 and not frame.records
    assert told(frame, f"atm:{NIFTY}")["as_of"] == datetime.fromtimestamp(NOW + 2, UTC).isoformat()


def test_a_chain_at_fault_costs_only_itself(monkeypatch):
    import realtime.ticks.core.chain_beat as module

    market = BeatingMarket()
    other = "NSE@BANKNIFTY"
    bank = f"{other}@equity_spot"
    market.book.add_underlying(other, dataclasses.replace(market.book.underlyings[NIFTY].terms, spot_key=bank))
    market.take(market.entry(bank, 24_000.0), market.entry(f"{other}@equity_options@{EXPIRY}@call@24000", 400.0))
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    real = module.evaluate_chain

    def failing(priced, *rest):
        if NIFTY in priced.underlyings.key:
            raise ArithmeticError("of NIFTY")
        return real(priced, *rest)

    monkeypatch.setattr(module, "evaluate_chain", failing)
    frame = market.evaluate()
    assert [name for name, _ in frame.failures] == [f"evaluation of {NIFTY}"]
    assert NIFTY not in frame.topics and f"atm:{other}" in frame.topics[other]
    assert list(frame.records.levels) == list(frame.records.readings) == [other]


# --- hysteresis -------------------------------------------------------------------------------------------------------
