"""ATM strikes that are held, rows of values, and the open interest before, in live chains."""

from datetime import UTC, date, datetime

import pytest

from moneyness.core.chain_params import ChainParams
from moneyness.core.chain_rules import ChainRules
from moneyness.core.records import LEVEL_COLUMNS, READING_COLUMNS
from tests.core.beating_market import NIFTY, STRIKES, BeatingMarket, told
from tests.core.test_book import EXPIRY, NOW, SPOT, call


def atm_at(market, spot, second):
    """Move the spot, and with it the forward: the options are quoted by it."""
    moment = NOW + second
    market.take(market.entry(SPOT, spot, at=moment), *market.options(spot=spot, at=moment), now=moment)
    return told(market.evaluate(moment), f"atm:{NIFTY}:{EXPIRY}")


def test_the_atm_strike_does_not_flicker_and_a_switch_is_told():
    market = BeatingMarket()
    first = atm_at(market, 24_000.0, 0)
    forward = first["receipt"]["forward"]
    assert first["atm_strike"] == 24_100 and first["atm_switched_from"] is None
    middle = 24_000.0 * 24_150 / forward  # where the forward is half-way to the next strike
    for second, spot in ((1, middle + 5), (2, middle - 5), (3, middle + 5)):
        state = atm_at(market, spot, second)
        assert (state["atm_strike"], state["atm_switched_from"]) == (24_100, None)
    switched = atm_at(market, middle + 15, 4)
    assert (switched["atm_strike"], switched["atm_switched_from"]) == (24_200, 24_100)
    held = atm_at(market, middle - 5, 5)
    assert (held["atm_strike"], held["atm_switched_from"]) == (24_200, None)


def test_an_atm_strike_that_an_earlier_consumer_left_is_held():
    market, fresh = BeatingMarket(), BeatingMarket()
    market.beat.hold({(NIFTY, EXPIRY): 24_200.0})
    spot = 24_000.0 * 24_145 / 24_122
    assert atm_at(fresh, spot, 0)["atm_strike"] == 24_100
    assert atm_at(market, spot, 0)["atm_strike"] == 24_200
    market.beat.forget(NIFTY)
    assert atm_at(market, spot, 1)["atm_strike"] == 24_100


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_are_made_once_an_interval_and_bear_its_beginning():
    market = BeatingMarket()
    made = []
    for second in range(0, 125, 5):
        market.take(market.entry(SPOT, 24_000.0, at=NOW + second), *market.options(at=NOW), now=NOW + second)
        made.append(market.evaluate(NOW + second).records)
    rows = [each.levels[NIFTY] for each in made if each]
    assert [place * 5 for place, each in enumerate(made) if each] == [0, 60, 120]
    times = [{row[1] for row in each} for each in rows]
    assert times == [{datetime.fromtimestamp(NOW + second, UTC)} for second in (0, 60, 120)]
    first = [dict(zip(LEVEL_COLUMNS, row, strict=True)) for row in rows[0]]
    keys = [(row["level_key"], row["side"]) for row in first]
    assert len(set(keys)) == len(keys) and (f"{NIFTY}:{EXPIRY}:ATM", "both") in keys
    at_money = first[keys.index((f"{NIFTY}:{EXPIRY}:ATM", "both"))]
    assert at_money["options"] == 2 and at_money["open_interest"] == 2 * 24_100 and at_money["volume"] == 14
    assert at_money["expiry"] == date.fromisoformat(EXPIRY) and at_money["implied_volatility"] == pytest.approx(0.15)
    readings = [dict(zip(READING_COLUMNS, row, strict=True)) for row in made[0].readings[NIFTY]]
    assert [row["term_key"] for row in readings] == [f"{NIFTY}:{term}" for term in (EXPIRY, "7d", "30d", "60d")]
    assert readings[0]["atm_strike"] == 24_100 and readings[0]["method"] == "interpolated"
    assert readings[1]["implied_volatility"] is readings[1]["expiry"] is None  # before the first expiry


def test_rows_of_the_present_interval_are_made_again_when_asked():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    first = market.evaluate()
    market.take(market.entry(SPOT, 24_000.0, at=NOW + 2), now=NOW + 2)
    assert not market.evaluate(NOW + 2).records
    market.beat.record_again()
    market.take(market.entry(SPOT, 24_000.0, at=NOW + 4), now=NOW + 4)
    again = market.evaluate(NOW + 4).records
    assert [row[:3] for row in again.levels[NIFTY]] == [row[:3] for row in first.records.levels[NIFTY]]


def test_each_underlying_has_its_own_rules():
    market = BeatingMarket(record_seconds=0)
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    assert not market.evaluate().records
    market.beat.rules[NIFTY] = ChainRules(ChainParams(strikes=1, deltas=()), 1)
    for second in (1, 2):
        market.take(market.entry(SPOT, 24_000.0, at=NOW + second), now=NOW + second)
        frame = market.evaluate(NOW + second)
        assert frame.records
        levels = {told(frame, topic)["level"] for topic in frame.topics[NIFTY] if topic.startswith("moneyness:")}
        assert levels == {"ATM", "ITM1", "OTM1", "ITM", "OTM"}


# --- open interest ----------------------------------------------------------------------------------------------------


def test_the_open_interest_before_counts_only_on_its_day():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    book, chain = market.book, market.book.underlyings[NIFTY]
    rows = book.without_interest_before(chain)
    assert sorted(rows.tolist()) == sorted(chain.option_rows)
    book.interest_before[rows], book.before_from[rows], book.before_until[rows] = 100.0, NOW - 3600, NOW + 3600
    assert not len(book.without_interest_before(chain))
    state = told(market.evaluate(), f"analytics:{NIFTY}:{EXPIRY}")
    interest = sum(STRIKES)
    assert state["call_open_interest"] == interest
    assert state["call_open_interest_change"] == interest - 100 * len(STRIKES)
    tomorrow = market.entry(call(24_100), 300.0, at=NOW + 86_400, oi=5.0)
    market.take(tomorrow, now=NOW + 86_400)
    assert [book.contracts[row].text for row in book.without_interest_before(chain)] == [call(24_100)]


def test_a_tick_without_open_interest_leaves_what_is_known():
    market = BeatingMarket()
    market.take(market.entry(SPOT, 24_000.0), *market.options())
    market.take(market.entry(call(24_100), 300.0, at=NOW + 1), now=NOW + 1)
    state = told(market.evaluate(NOW + 1), f"moneyness:{NIFTY}:ATM")
    assert state["calls"]["open_interest"] == 24_100
