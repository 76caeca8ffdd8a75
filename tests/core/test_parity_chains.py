"""The forward by parity on small chains made by hand: which strikes agree, and who decides where they do not."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from signals.greeks.core.conventions import ForwardSource
from signals.greeks.core.forward import CarriedFrom, Forward, find_forward
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.simulator.core.simulated_market import TICK

Floats = np.ndarray


def chain(strikes: int = 21, spread: float = 1.0, forward: float = 24_000.0) -> dict[str, Floats]:
    strike = forward + 100.0 * (np.arange(strikes) - strikes // 2) + 20.0
    away = forward - strike
    value = 300.0 * np.exp(-np.abs(away) / 800.0)
    wide, unknown = np.full(strikes, spread), np.full(strikes, np.nan)
    return {
        "strike": strike,
        "call": value + np.maximum(away, 0.0),
        "put": value + np.maximum(-away, 0.0),
        "call_spread": wide,
        "put_spread": wide.copy(),
        "call_volume": np.full(strikes, 1_000.0),
        "put_volume": np.full(strikes, 1_000.0),
        "call_time": unknown,
        "put_time": unknown.copy(),
    }


def one(columns: dict[str, Floats], years: float = 0.1) -> ParityForward:
    sizes = np.array([len(columns["strike"])])
    (found,) = parity_forwards(ParityColumns(**columns), sizes, rate=0.0, expiry_years=np.array([years]))
    return found


def test_two_deep_strikes_quoted_a_tick_wide_move_nothing() -> None:
    columns = chain(spread=4.0)
    columns["call"][:2] -= 40.0
    columns["call_spread"][:2] = columns["put_spread"][:2] = TICK
    found = one(columns)
    assert found.value == pytest.approx(24_000.0, abs=1e-9)
    assert found.excluded == tuple(columns["strike"][:2])
    assert found.strikes == 19
    assert found.bid < 24_000.0 < found.ask


def test_a_minority_that_agrees_with_itself_is_left_out() -> None:
    columns = chain()
    columns["call"][:10] += 60.0
    found = one(columns)
    assert found.value == pytest.approx(24_000.0, abs=1e-9)
    assert (found.strikes, len(found.excluded)) == (11, 10)


def test_strikes_of_which_no_majority_agrees_give_no_forward() -> None:
    columns = chain(strikes=20)
    columns["call"][:10] += 60.0
    found = one(columns)
    assert found.disagree
    assert math.isnan(found.value) and math.isnan(found.bid) and math.isnan(found.ask)
    assert found.strikes == len(found.excluded) == 10


def split_at_the_money(one_side: int, other_side: int, apart: float) -> dict[str, Floats]:
    """Wide quotes, and at the money narrow ones: some say 24,000, the others so much more."""
    columns = chain(spread=300.0)
    narrow = np.argsort(np.abs(columns["strike"] - 24_000.0))[: one_side + other_side]
    columns["call_spread"][narrow] = columns["put_spread"][narrow] = 3.0
    columns["call"][narrow[one_side:]] += apart
    return columns


@pytest.mark.parametrize(("one_side", "other_side"), [(4, 4), (4, 3), (3, 4), (2, 2), (1, 1)])
def test_narrow_quotes_that_split_among_wide_ones_give_no_forward(one_side: int, other_side: int) -> None:
    """The wide ones agree with both sides, and their middle is a forward that nobody quotes."""
    found = one(split_at_the_money(one_side, other_side, 200.0))
    assert found.disagree
    assert math.isnan(found.value) and math.isnan(found.bid) and math.isnan(found.ask)
    assert len(found.excluded) in (one_side, other_side) and found.strikes + len(found.excluded) == 21


@pytest.mark.parametrize(("one_side", "other_side"), [(7, 1), (6, 2), (5, 3)])
def test_of_narrow_quotes_that_split_unevenly_the_more_are_right(one_side: int, other_side: int) -> None:
    found = one(split_at_the_money(one_side, other_side, 200.0))
    assert found.value == pytest.approx(24_000.0, abs=1e-9)
    assert len(found.excluded) == other_side and found.ask - found.bid < 10.0


def test_narrow_quotes_that_split_within_the_bound_say_so_by_bid_and_ask() -> None:
    found = one(split_at_the_money(4, 4, 20.0))  # of about 300 at the money
    assert not found.disagree and found.excluded == ()
    assert found.bid < 24_000.0 and found.ask > 24_020.0


def quotes_of_yesterday(fresh: int, moved: float) -> dict[str, Floats]:
    """All quotes are 17.75 hours old but a few at the money, which say how far the forward has moved since."""
    columns = chain()
    new = np.argsort(np.abs(columns["strike"] - 24_000.0))[:fresh]
    columns["call_time"][:] = columns["put_time"][:] = 1e9 - 17.75 * 3_600
    columns["call_time"][new] = columns["put_time"][new] = 1e9
    columns["call"][new] += moved
    return columns


@pytest.mark.parametrize("fresh", [1, 2])
def test_one_or_two_fresh_strikes_that_say_another_forward_leave_none(fresh: int) -> None:
    found = one(quotes_of_yesterday(fresh, 480.0))
    assert found.disagree and math.isnan(found.value)


def test_three_fresh_strikes_that_agree_are_believed() -> None:
    found = one(quotes_of_yesterday(3, 480.0))
    assert found.value == pytest.approx(24_480.0, abs=1e-9) and found.ask - found.bid < 10.0


def test_a_fresh_strike_that_says_what_the_old_ones_say_keeps_their_doubt() -> None:
    found = one(quotes_of_yesterday(1, 0.0))
    assert found.value == pytest.approx(24_000.0, abs=1e-6)
    assert found.ask - found.bid > 1_000.0


@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_quotes_wider_than_the_bound_that_agree_give_a_wide_forward(shift: float) -> None:
    """An illiquid market: bid and ask of each option at the money are two fifths of its price apart."""
    columns = chain(spread=120.0)
    columns["call"] += shift * (np.arange(21) % 3 - 1)
    found = one(columns)
    assert not found.disagree and found.excluded == ()
    assert found.bid < 24_000.0 < found.ask and abs(found.value - 24_000.0) <= shift


def test_trades_that_disagree_beyond_a_tenth_of_the_price_at_the_money_give_no_forward() -> None:
    columns = chain(strikes=20, spread=np.nan)
    columns["call"] += 25.0 * (np.arange(20) % 2)  # of 300 at the money: within the bound
    assert not one(columns).disagree
    columns["call"] += 200.0 * (np.arange(20) % 4)
    assert one(columns).disagree


def test_quotes_wide_enough_to_agree_with_everything_neither_help_nor_harm() -> None:
    columns = chain()
    columns["call_spread"][::2] = 2_000.0
    columns["call"][1] += 60.0
    found = one(columns)
    assert found.value == pytest.approx(24_000.0, abs=1e-9)
    assert found.excluded == (columns["strike"][1],)


def test_one_strike_alone_does_not_pull_bid_and_ask_together() -> None:
    columns = chain(spread=10.0)
    before = one(columns)
    columns["call"][3] += 6.0
    columns["call_spread"][3] = columns["put_spread"][3] = TICK
    found = one(columns)
    assert found.bid <= 24_000.0 <= found.ask
    assert found.ask - found.bid > 0.5 * (before.ask - before.bid)


def test_quotes_left_standing_while_the_forward_moved_give_way_to_fresh_ones() -> None:
    """Each quote is right for its own time; the forward is that of the newest."""
    rng = np.random.default_rng(5)
    columns = chain(strikes=41, spread=2.0)
    age = np.where(np.arange(41) % 4 == 0, 0.0, rng.uniform(5.0, 60.0, 41))
    columns["call_time"] = columns["put_time"] = 1e9 - age
    columns["call"] -= 15.0 * np.sqrt(age / 60.0)  # the forward has risen since
    found = one(columns)
    assert found.bid <= 24_000.0 <= found.ask
    assert abs(found.value - 24_000.0) < 3.0


def test_a_wrong_rate_leaves_the_money_where_it_is() -> None:
    """Discounted at 2 % while 5 % is asked for: deep strikes say something else, those at the money are believed."""
    columns = chain(strikes=61, spread=1.0)
    columns["call"] *= math.exp(-0.02)
    columns["put"] *= math.exp(-0.02)
    sizes, years = np.array([61]), np.array([1.0])
    (found,) = parity_forwards(ParityColumns(**columns), sizes, rate=0.05, expiry_years=years)
    assert found.bid <= 24_000.0 <= found.ask
    assert abs(found.value - 24_000.0) < 2.0


def test_an_expiry_that_disagrees_leaves_others_as_they_are() -> None:
    parts = [chain(), split_at_the_money(4, 4, 200.0), chain(spread=np.nan), quotes_of_yesterday(1, 480.0), chain()]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found = parity_forwards(ParityColumns(**columns), np.full(5, 21), rate=0.0, expiry_years=np.full(5, 0.1))
    assert [each.disagree for each in found] == [False, True, False, True, False]
    assert [each.value for each in found[::2]] == pytest.approx([24_000.0] * 3, abs=1e-9)


def test_expiries_without_any_pair_stand_among_others() -> None:
    columns = chain(strikes=5)
    both = {name: np.concatenate([values, values]) for name, values in columns.items()}
    found = parity_forwards(ParityColumns(**both), np.array([0, 5, 0, 5, 0]), rate=0.0, expiry_years=np.full(5, 0.1))
    assert [each.strikes for each in found] == [0, 5, 0, 5, 0]
    assert [math.isnan(each.value) for each in found] == [True, False, True, False, True]
    assert parity_forwards(ParityColumns(**{name: values[:0] for name, values in columns.items()}), np.array([0]),
                           rate=0.0, expiry_years=np.zeros(1))[0].strikes == 0  # fmt: skip


@pytest.mark.parametrize("break_it", [lambda x: x * np.inf, lambda x: x * np.nan, lambda x: -x, lambda x: x * 1e300])
def test_what_is_no_price_is_left_out_without_a_word(break_it: Callable[[Floats], Floats]) -> None:
    columns = chain()
    columns["call"][4:8] = break_it(columns["call"][4:8])
    assert one(columns).value == pytest.approx(24_000.0, abs=1e-9)


def search(wanted: ForwardSource, future: float) -> Forward:
    columns = chain(strikes=20)
    columns["call"][:10] += 60.0
    return find_forward(
        wanted,
        parity=one(columns),
        future=future,
        spot=23_900.0,
        nearest_future=CarriedFrom(24_100.0, 0.2),
        expiry_years=0.1,
        rate=0.06,
        dividend_yield=0.01,
    )


def test_where_strikes_disagree_only_a_price_of_the_same_forward_takes_their_place() -> None:
    assert search(ForwardSource.AUTO, 24_030.0) == Forward(24_030.0, ForwardSource.FUTURE)
    nothing = search(ForwardSource.AUTO, math.nan)
    assert not nothing.found and nothing.parity is not None and nothing.parity.disagree
    assert not search(ForwardSource.PARITY, 24_030.0).found
    assert search(ForwardSource.SPOT, math.nan).found
