"""Sums, payoffs and legs of portfolios beside slow references and by hand."""

import itertools
import math
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.positions.core.grid import Shocks
from signals.positions.core.legs import legs_of, read_legs
from signals.positions.core.payoff import Payoff, payoff
from signals.positions.core.portfolio_text import leg_keys, legs_of_text, portfolio_text
from signals.positions.core.sums import grouped_sums
from signals.positions.core.totals import totals
from signals.positions.core.values import LegValues

NAN = float("nan")
NAME = "NSE@NIFTY"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-(10**13), 10**13)), max_size=200))
def test_sums_are_exact_whatever_the_order(terms: list[tuple[int, int]]) -> None:
    terms.sort(key=lambda term: term[0])
    group = np.array([place for place, _ in terms], np.intp)
    values = np.array([[value / 7e4 for _, value in terms], [-value / 3 for _, value in terms]]).reshape(2, len(terms))
    found = grouped_sums(values, group, 5)
    for row in range(2):
        for place in range(5):
            assert found[row, place] == math.fsum(values[row, group == place])


def test_a_sum_that_cancels_keeps_its_last_digits() -> None:
    values = np.array([[1e16, 1.0, -1e16, 1e-3, 3.0, -4.0]])
    assert grouped_sums(values, np.zeros(6, np.intp), 1)[0, 0] == pytest.approx(1e-3, rel=1e-12)


def test_totals_say_what_they_lack() -> None:
    contributions = np.array([[1.0, NAN, 3.0, NAN], [1.0, 2.0, 3.0, NAN]])
    group = np.array([1, 0, 0, 2])
    whole = totals(contributions, group, 4, partial=False)
    assert whole.legs.tolist() == [2, 1, 1, 0] and whole.missing.tolist() == [[1, 0, 1, 0], [0, 0, 1, 0]]
    np.testing.assert_equal(whole.values, [[NAN, 1.0, NAN, 0.0], [5.0, 1.0, NAN, 0.0]])
    part = totals(contributions, group, 4, partial=True)
    np.testing.assert_equal(part.values, [[3.0, 1.0, NAN, 0.0], [5.0, 1.0, NAN, 0.0]])


def held(*legs: tuple[str, float, float, float], expiry: date | None = date(2026, 12, 29)) -> LegValues:
    """Legs as (kind, strike, units, cost)."""
    count = len(legs)
    kinds = np.array([leg[0] for leg in legs])
    nothing = np.full(count, NAN)
    words = np.full(count, None, object)
    option = np.isin(kinds, ["call", "put"])
    return LegValues(
        underlying=[NAME] * count,
        expiry=[None if kind == "spot" else expiry for kind in kinds],
        is_option=option,
        is_future=kinds == "future",
        sign=np.select([kinds == "call", kinds == "put"], [1.0, -1.0], NAN),
        strike=np.where(option, [leg[1] for leg in legs], NAN),
        expires_at=nothing,
        units=np.array([leg[2] for leg in legs]),
        lot_size=nothing,
        price_paid=np.array([leg[3] for leg in legs]),
        status=words,
        reason=words,
        price=nothing,
        price_source=words,
        price_age=nothing,
        model_price=nothing,
        underlying_price=nothing,
        implied_volatility=nothing,
        expiry_years=nothing,
        greeks=np.full((5, count), NAN),
    )


def paid(*legs: tuple[str, float, float, float]) -> Payoff:
    found = payoff(held(*legs), np.arange(len(legs)))
    assert isinstance(found, Payoff)
    return found


class TestPayoff:
    def test_of_a_condor(self) -> None:
        found = paid(("put", 90, 1, 1), ("put", 95, -1, 2), ("call", 105, -1, 2), ("call", 110, 1, 1))
        assert (found.most, found.least, found.slope, found.cost) == (2.0, -3.0, 0.0, -2.0)
        assert found.break_evens == [93.0, 107.0]

    def test_of_a_short_straddle(self) -> None:
        found = paid(("put", 100, -10, 4), ("call", 100, -10, 6))
        assert found.break_evens == [90.0, 110.0] and found.most == 100.0 and math.isnan(found.least)

    def test_of_a_covered_call_and_a_collar_with_a_future(self) -> None:
        found = paid(("spot", 0, 1, 100), ("call", 110, -1, 3))
        assert (found.break_evens, found.most, found.least) == ([97.0], 13.0, -97.0)
        collar = paid(("future", 0, 1, 100), ("call", 110, -1, 3), ("put", 90, 1, 3))
        assert (collar.break_evens, collar.most, collar.least) == ([100.0], 10.0, -10.0)

    def test_of_what_always_loses(self) -> None:
        found = paid(("call", 100, 1, 5), ("call", 100, -1, 3))
        assert (found.break_evens, found.most, found.least) == ([], -2.0, -2.0)

    def test_a_stretch_of_zeros_has_two_ends(self) -> None:
        found = paid(("call", 110, 1, 1), ("call", 120, -1, 1), ("put", 90, -1, 0))
        assert found.break_evens == [90.0, 110.0]
        nothing = paid(("call", 100, 1, 3), ("call", 100, -1, 3))
        assert nothing.break_evens == [0.0], "and it has no other end"

    def test_why_there_is_none(self) -> None:
        both = held(("call", 100, 1, 1), ("put", 100, 1, NAN))
        assert payoff(both, np.arange(2)) == "legs[1] has neither a price paid nor a price now"
        assert payoff(held(("call", 100, 0, 1)), np.arange(1)) == "nothing is held"

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["call", "put", "future", "spot"]),
                st.integers(80, 120),
                st.integers(-5, 5).filter(bool),
                st.integers(0, 40),
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_beside_a_walk_over_prices(self, legs: list[tuple[str, int, int, int]]) -> None:
        found = paid(*((kind, float(strike), float(units), float(cost)) for kind, strike, units, cost in legs))

        def profit(price: float) -> float:
            total = 0.0
            for kind, strike, units, cost in legs:
                worth = {"call": max(price - strike, 0.0), "put": max(strike - price, 0.0)}.get(kind, price)
                total += units * (worth - cost)
            return total

        walk = [profit(price / 2) for price in range(801)]
        if not math.isnan(found.most):
            assert found.most == pytest.approx(max(walk))
        if not math.isnan(found.least):
            assert found.least == pytest.approx(min(walk))
        for price in found.break_evens:
            assert profit(price) == pytest.approx(0.0, abs=1e-6)
        crossings = sum(a * b < 0 for a, b in itertools.pairwise(walk))
        assert len([price for price in found.break_evens if price < 400]) >= crossings


OVERRIDES: dict[str, Any] = {}


def test_a_portfolio_is_one_text() -> None:
    raw = [
        {"underlying": "NIFTY", "quantity": 2},
        {"price_paid": 3, "quantity": -1.5, "underlying": "NIFTY", "expiry": "2026-12-29"},
    ]
    legs = read_legs(raw, OVERRIDES, "NSE")
    assert [key for key, _ in legs] == ["NSE@NIFTY@equity_spot", "NSE@NIFTY@equity_futures@2026-12-29"]
    text = portfolio_text(legs)
    assert legs_of_text(text) == legs and leg_keys(text) == [key for key, _ in legs]
    other = [dict(reversed(list(leg.items()))) for leg in raw]
    assert portfolio_text(read_legs(other, OVERRIDES, "NSE")) == text
    columns = legs_of([legs, [], legs[:1]])
    assert columns.portfolio.tolist() == [0, 0, 2] and columns.portfolios == 3
    np.testing.assert_equal(columns.price_paid, [NAN, 3.0, NAN])


def test_cells_have_the_order_of_greeks_grid() -> None:
    cells = Shocks.of((-0.1, 0.1), (0.0, 0.05), (0.0, 7.0))
    assert list(zip(cells.spot, cells.volatility, cells.days, strict=True))[:3] == [
        (-0.1, 0.0, 0.0),
        (-0.1, 0.0, 7.0),
        (-0.1, 0.05, 0.0),
    ]
