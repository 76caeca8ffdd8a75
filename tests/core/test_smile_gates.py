"""The points of smiles and the gates that refuse them, against tables of cases and a slow twin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moneyness.core.evaluation import SmileColumns
from moneyness.core.kernel_gates import refuse_arbitrage
from moneyness.core.layout import find_strikes
from moneyness.core.smile import smile_points
from moneyness.core.smile_words import GATE_REASONS, Gate, gate_words
from tests.core.slow_gates import Point, refused_points
from tests.core.smile_chains import Expiry, from_smile, priced

K = np.linspace(-0.2, 0.2, 21)
MIDDLE = 10


def skewed(k: np.ndarray) -> np.ndarray:
    return 0.01 * (1 - 0.5 * k + 3 * k * k)


def flat(variance: float):
    return lambda k: np.full(len(k), variance)


def smile_of(*expiries: Expiry) -> SmileColumns:
    chains = priced(list(expiries))
    return smile_points(chains, find_strikes(chains))


def clean(**changes: object) -> Expiry:
    return from_smile(skewed, years=0.25, log_moneyness=K, **changes)  # type: ignore[arg-type]


def with_leg(expiry: Expiry, place: int, sign: float, **values: float) -> Expiry:
    """Change columns of one option."""
    row = place if sign > 0 else len(K) + place
    changed = {name: np.array(getattr(expiry, name)) for name in values}
    for name, value in values.items():
        changed[name][row] = value
    return replace(expiry, **changed)


def moved(expiry: Expiry, place: int, factor: float) -> Expiry:
    """Both options of a strike at another volatility, with the same width of market."""
    other = from_smile(
        skewed, years=expiry.years, log_moneyness=K, spread=0.002, noise=np.sqrt(skewed(K) / 0.25) * (factor - 1.0)
    )
    for sign, row in ((1.0, place), (-1.0, len(K) + place)):
        values = {name: float(getattr(other, name)[row]) for name in ("bid", "ask", "last")}
        expiry = with_leg(expiry, place, sign, **values)
    return expiry


@pytest.mark.parametrize("spread", [0.0, 0.001])
def test_a_clean_smile_is_used_whole(spread: float) -> None:
    smile = smile_of(clean(spread=spread))
    assert not smile.refused.any()
    np.testing.assert_allclose(smile.volatility, np.sqrt(skewed(K) / 0.25), rtol=2e-3)
    np.testing.assert_allclose(smile.log_moneyness, K, atol=1e-12)
    if spread:
        np.testing.assert_allclose(smile.ask_volatility - smile.bid_volatility, 2 * spread, rtol=1e-6)


def test_the_option_out_of_the_money_stands_for_its_strike() -> None:
    chains = priced([clean()])
    smile = smile_points(chains, find_strikes(chains))
    signs = chains.options.sign[smile.option]
    assert (signs == np.where(smile.strike >= chains.expiries.forward[0], 1.0, -1.0)).all()
    np.testing.assert_array_equal(smile.delta, chains.options.delta[smile.option])


def test_where_it_has_no_volatility_the_other_one_does() -> None:
    expiry = with_leg(with_leg(clean(), 15, 1.0, last=np.nan), 4, -1.0, last=np.nan)
    chains = priced([expiry])
    smile = smile_points(chains, find_strikes(chains))
    signs = chains.options.sign[smile.option]
    assert signs[15] == -1.0
    assert signs[4] == 1.0
    assert not smile.refused.any()
    assert np.isnan(smile.call_volatility[15])
    assert smile.volatility[15] == smile.put_volatility[15]


def test_without_any_volatility_a_point_is_refused_and_stays() -> None:
    expiry = with_leg(with_leg(clean(), 15, 1.0, last=np.nan), 15, -1.0, last=np.nan)
    smile = smile_of(expiry)
    assert gate_words(int(smile.refused[15])) == ("no_volatility",)
    assert np.flatnonzero(smile.refused).tolist() == [15]
    assert smile.option[15] >= 0


def test_a_strike_with_one_option() -> None:
    expiry = clean()
    rows = np.delete(np.arange(2 * len(K)), [15, len(K) + 4])  # neither the call of 15 nor the put of 4
    names = ("strike", "sign", "bid", "ask", "last", "volume")
    smile = smile_of(replace(expiry, **{name: getattr(expiry, name)[rows] for name in names}))
    assert len(smile.strike) == len(K)
    assert not smile.refused.any()


def test_in_a_quoted_expiry_what_has_no_market_does_not_count() -> None:
    expiry = with_leg(clean(spread=0.001), 12, 1.0, bid=np.nan)
    smile = smile_of(expiry)
    assert {place: gate_words(int(smile.refused[place])) for place in np.flatnonzero(smile.refused)} == {
        12: ("no_market",)
    }


def untraded(expiry: Expiry, *strikes: int) -> Expiry:
    volume = np.array(expiry.volume)
    for strike in strikes:
        volume[[strike, len(K) + strike]] = 0.0
    return replace(expiry, volume=volume)


def test_where_options_trade_those_that_did_not_do_not_count() -> None:
    assert np.flatnonzero(smile_of(untraded(clean(), 3, 12)).refused).tolist() == [3, 12]
    assert gate_words(int(smile_of(untraded(clean(), 3)).refused[3])) == ("not_traded",)
    assert not smile_of(untraded(clean(spread=0.001), 3, 12)).refused.any()  # quoted
    assert not smile_of(untraded(clean(), *range(len(K) - 2))).refused.any()  # two of all traded: too few to go by
    assert not smile_of(untraded(clean(), *range(len(K)))).refused.any()
    unknown = replace(clean(), volume=np.full(2 * len(K), np.nan))
    assert not smile_of(unknown).refused.any()


def test_a_wide_market_does_not_count() -> None:
    wide = from_smile(skewed, years=0.25, log_moneyness=K, spread=0.03)
    expiry = with_leg(clean(spread=0.001), 14, 1.0, bid=wide.bid[14], ask=wide.ask[14])
    smile = smile_of(expiry)
    assert {place: gate_words(int(smile.refused[place])) for place in np.flatnonzero(smile.refused)} == {
        14: ("wide_market",)
    }


def test_call_and_put_must_agree_beyond_their_spreads() -> None:
    """The put in the money is quoted 1 too high: the call that stands for the strike is as good, and goes too."""
    expiry = clean(spread=0.001)
    row = len(K) + 13
    off = with_leg(expiry, 13, -1.0, bid=expiry.bid[row] + 1, ask=expiry.ask[row] + 1)
    smile = smile_of(off)
    assert gate_words(int(smile.refused[13])) == ("parity",)
    assert np.flatnonzero(smile.refused).tolist() == [13]
    within = with_leg(expiry, 13, -1.0, bid=expiry.bid[row] - 1, ask=expiry.ask[row] + 1)
    assert not smile_of(within).refused.any()
    assert not smile_of(replace(off, american=True)).refused.any()


@pytest.mark.parametrize(("own", "twin", "refused"), [(10.0, 10.0, True), (10.0, 3.0, False), (3.0, 10.0, True)])
def test_of_two_trades_the_one_with_less_volume_does_not_refuse_the_other(
    own: float, twin: float, refused: bool
) -> None:
    expiry = clean()
    off = with_leg(with_leg(expiry, 13, -1.0, last=expiry.last[len(K) + 13] + 1, volume=twin), 13, 1.0, volume=own)
    assert (smile_of(off).refused[13] == Gate.PARITY) == refused


@pytest.mark.parametrize("place", [3, MIDDLE, 17])
@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_of_neighbours_that_cannot_all_be_right_the_odd_one_goes(place: int, factor: float) -> None:
    smile = smile_of(moved(clean(spread=0.002), place, factor))
    assert np.flatnonzero(smile.refused).tolist() == [place]
    assert set(gate_words(int(smile.refused[place]))) <= {"monotonicity", "convexity"}


def test_calls_that_rise_with_the_strike() -> None:
    smile = smile_of(moved(clean(spread=0.002), 12, 2.5))
    assert gate_words(int(smile.refused[12])) == ("monotonicity", "convexity")


def test_total_variance_below_the_earlier_expirys() -> None:
    earlier = from_smile(flat(0.01), years=0.1, log_moneyness=K)
    later = from_smile(flat(0.009), years=0.3, log_moneyness=np.linspace(-0.4, 0.4, 21))
    smile = smile_of(earlier, later)
    second = smile.group == 1
    inside = np.abs(smile.log_moneyness[second]) <= 0.2
    assert (smile.refused[second] == np.where(inside, Gate.CALENDAR, 0)).all()
    assert not smile.refused[~second].any()
    assert not smile_of(earlier, replace(later, underlying=1)).refused.any()  # of another underlying
    assert not smile_of(earlier, from_smile(flat(0.0101), years=0.3, log_moneyness=K)).refused.any()


def test_every_gate_has_a_word_and_a_sentence() -> None:
    assert set(GATE_REASONS) == set(Gate)
    assert gate_words(255 & sum(Gate)) == tuple(gate.word for gate in Gate)


def test_no_options_and_no_expiries() -> None:
    assert len(smile_of().refused) == 0
    nothing = np.zeros(0)
    empty = Expiry(
        years=0.1, strike=nothing, sign=nothing, bid=nothing, ask=nothing, last=nothing, volume=nothing, forward=100.0
    )
    assert len(smile_of(empty).refused) == 0
    assert smile_of(empty, clean()).refused.tolist() == [0] * len(K)


@st.composite
def points(draw: st.DrawFn) -> tuple[float, Point]:
    """The distance to the point before, and a point with its own range of volatility."""
    own = draw(st.floats(0.02, 1.5))
    low, high = draw(st.floats(0.0, 0.015)), draw(st.floats(0.0, 0.015))
    tick, strength = draw(st.sampled_from([0.0, 2e-5])), draw(st.integers(0, 3))
    return draw(st.floats(0.005, 0.2)), Point(0.0, own - low, own, own + high, tick, strength)


@st.composite
def expiries(draw: st.DrawFn) -> tuple[list[list[Point]], list[int], list[float]]:
    count = draw(st.integers(1, 4))
    underlying = sorted(draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    years = draw(st.lists(st.floats(0.003, 2.0), min_size=count, max_size=count))
    groups = []
    for _ in range(count):
        drawn = draw(st.lists(points(), max_size=14))
        smooth, k = draw(st.booleans()), draw(st.floats(-1.0, 0.2))
        group = []
        for step, point in drawn:
            k += step
            if smooth:  # most points of a real smile are right
                own = 0.2 + 0.1 * k * k
                keep = point.strength == 0
                point = point if keep else replace(point, low=own - 0.005, volatility=own, high=own + 0.005)
            group.append(replace(point, k=k))
        groups.append(group)
    return groups, underlying, years


@settings(max_examples=400, deadline=None)
@given(expiries())
def test_the_gates_of_arbitrage_equal_their_slow_twin(drawn) -> None:
    groups, underlying, years = drawn
    rows = [point for group in groups for point in group]
    refused = np.zeros(len(rows), np.uint8)
    refuse_arbitrage(
        np.cumsum([0, *map(len, groups)]),
        np.array(underlying),
        np.array(years),
        *(
            np.array([getattr(point, name) for point in rows], float)
            for name in ("k", "low", "volatility", "high", "tick")
        ),
        np.array([point.strength for point in rows], np.int64),
        refused,
    )
    assert refused.tolist() == [int(gate) for group in refused_points(groups, underlying, years) for gate in group]
