"""Moneyness levels: their names and their strikes."""

import pytest

from moneyness.core.levels import UnknownLevel, at_the_money, level_name, level_places, parse_level

STRIKES = [90.0, 95.0, 100.0, 105.0, 110.0]


@pytest.mark.parametrize(
    ("price", "place"), [(100.0, 2), (101.0, 2), (102.5, 2), (102.6, 3), (97.5, 1), (1.0, 0), (500.0, 4)]
)
def test_the_money_is_at_the_nearest_strike_and_at_the_lower_of_two(price, place):
    assert at_the_money(STRIKES, price) == place


def test_one_strike_is_at_the_money_whatever_the_price():
    assert at_the_money([100.0], 7.0) == 0


@pytest.mark.parametrize(("text", "depth"), [("ATM", 0), ("ITM1", 1), ("ITM10", 10), ("OTM1", -1), ("OTM10", -10)])
def test_names_and_depths_are_inverse(text, depth):
    assert parse_level(text, 10) == depth
    assert level_name(depth) == text


@pytest.mark.parametrize("text", ["", "atm", "ATM1", "ITM", "ITM0", "ITM01", "OTM-1", "ITM11", "OTM99999", "ITM1 "])
def test_what_names_no_level_is_told_what_would(text):
    with pytest.raises(UnknownLevel, match="none of ATM, ITM1 to ITM10 and OTM1 to OTM10"):
        parse_level(text, 10)


@pytest.mark.parametrize(
    ("depth", "call", "put"),
    [(0, 100, 100), (1, 95, 105), (2, 90, 110), (-1, 105, 95), (-2, 110, 90), (3, None, None), (-3, None, None)],
)
def test_calls_are_in_the_money_below_it_and_puts_above(depth, call, put):
    places = level_places(2, depth, len(STRIKES))
    assert tuple(None if place is None else STRIKES[place] for place in places) == (call, put)


def test_at_the_end_of_the_listed_strikes_a_level_may_have_one_side_only():
    assert level_places(4, 1, 5) == (3, None)
    assert level_places(4, -1, 5) == (None, 3)
