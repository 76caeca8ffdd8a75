"""Hard corners of evaluate_chain: what is missing, what is one only, what is at its end, and hostile numbers."""

from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.chain import chain
from moneyness.core.chain_params import AtmVolatility, ChainParams
from moneyness.core.chain_states import (
    analytics_state,
    atm_state,
    delta_strike,
    level_greeks,
    smile_state,
    term_state,
)
from moneyness.core.evaluate_chain import evaluate_chain
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import InterestColumns
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.snapshot import ChainSnapshot, ExpiryColumns
from tests.core.chain_makers import evaluate, pick_options, price, snapshot

Made = tuple[ChainSnapshot, InterestColumns]
NAN = np.nan


@pytest.fixture(scope="module")
def made() -> Made:
    return chain(days=(2, 9, 37), strikes=21)


def said(found: ChainEvaluation) -> str:
    """Return all states as JSON, which builds each of them."""
    groups, underlyings = range(len(found.chains.expiries.years)), range(len(found.chains.underlyings.key))
    built: list[Any] = [build(found, group, "now") for group in groups for build in (atm_state, analytics_state)]
    built += [smile_state(found, group, "now") for group in groups]
    built += [level_greeks(found, group, level, "now") for group in groups for level in ("ATM", "OTM", "OTM25D")]
    built += [delta_strike(found, group, 0.25, side, "now", str) for group in groups for side in ("call", "put")]
    built += [term_state(found, underlying, "now") for underlying in underlyings]
    return msgspec.json.encode(built).decode()


def with_quotes(made: Made, **columns: Any) -> Made:
    options = made[0].options
    count = len(options.sign)
    changed = {name: np.broadcast_to(np.float64(value), count).copy() for name, value in columns.items()}
    return replace(made[0], options=replace(options, quotes=replace(options.quotes, **changed))), made[1]


def all_nan(columns: Any) -> bool:
    return all(np.isnan(values).all() for values in columns)


def test_no_options(made: Made) -> None:
    found = evaluate(pick_options(made, np.arange(0)))
    assert np.isnan(found.money.atm_strike).all() and (found.money.atm_place == -1).all()
    assert (found.levels.options == 0).all() and len(found.smile.strike) == 0
    assert np.isnan(found.interest.max_pain).all() and found.interest.call_walls == [(), (), ()]
    assert '"reason":"no option of this side at or out of the money has a delta"' in said(found)


def test_no_groups_and_no_underlyings(made: Made) -> None:
    none = pick_options(made, np.arange(0))
    empty = np.empty(0)
    groups = ExpiryColumns(underlying=empty.astype(np.intp), expiry=empty.astype(np.int64), expires_at=empty)
    found = evaluate((replace(none[0], groups=groups), none[1]))
    assert len(found.money.atm_strike) == 0 and np.isnan(found.term.volatility).all()
    around = none[0].underlyings
    columns = [each.name for each in fields(around) if each.name not in ("known", "american")]
    nobody = replace(around, **{name: getattr(around, name)[:0] for name in columns})
    found = evaluate((replace(none[0], groups=groups, underlyings=nobody), none[1]))
    assert len(found.term.volatility) == 0 and said(found) == "[]"


def test_one_option_is_at_the_money(made: Made) -> None:
    found = evaluate(pick_options(made, np.array([0])))
    assert found.money.atm_strike[0] == made[0].options.strike[0]
    assert np.isnan(found.money.atm_strike[1:]).all() and np.isnan(found.money.straddle).all()
    assert found.levels.options[0] == 1  # both sides of ATM
    said(found)


def test_one_strike_has_a_straddle_and_no_interpolation(made: Made) -> None:
    middle = 2 * (21 // 2)
    found = evaluate(pick_options(made, np.array([middle, middle + 1])), atm_volatility=AtmVolatility.STRADDLE)
    assert found.money.by_straddle[0] == pytest.approx(found.money.nearest[0], rel=0.01)
    assert found.money.atm_volatility[0] == found.money.by_straddle[0]
    assert np.isnan(found.money.interpolated[0])  # the forward is beside the strike
    said(found)


def test_no_quotes_at_all(made: Made) -> None:
    silent = with_quotes(made, **dict.fromkeys(("bid", "ask", "last", "volume"), NAN))
    found = evaluate(silent)
    assert (found.levels.priced == 0).all() and (found.levels.quality[found.levels.options > 0] == 0).all()
    assert all_nan([found.money.atm_volatility, found.money.straddle, found.skew.slope, found.interest.flip])
    assert np.isfinite(found.interest.max_pain).all()  # interest is known without prices
    assert (found.interest.quotes_used == 0).all() and (found.interest.quotes_refused == 0).all()
    assert np.isfinite(found.money.atm_strike).all()  # the spot has a carry
    said(found)


def test_neither_forward_nor_spot(made: Made) -> None:
    silent = with_quotes(made, **dict.fromkeys(("bid", "ask", "last", "volume"), NAN))
    found = evaluate((replace(silent[0], underlyings=replace(silent[0].underlyings, spot=np.array([NAN]))), silent[1]))
    assert np.isnan(found.money.atm_strike).all() and (found.levels.options == 0).all()
    assert '"forward":null,"forward_source":null' in said(found)


def test_no_open_interest(made: Made) -> None:
    found = evaluate((made[0], picked_as(made[1], NAN)))
    interest = found.interest
    assert all_nan([interest.max_pain, interest.put_call_interest, interest.gamma_exposure, interest.flip])
    assert interest.call_walls == [(), (), ()]
    assert np.isnan(found.levels.greeks_oi).all() and np.isfinite(found.levels.greeks_volume[0]).all()
    found = evaluate((made[0], picked_as(made[1], 0.0)))
    interest = found.interest
    assert all_nan([interest.max_pain, interest.put_call_interest, interest.flip])
    assert (interest.gamma_exposure == 0).all() and (interest.call_interest == 0).all()
    said(found)


def picked_as(interest: InterestColumns, value: float) -> InterestColumns:
    return replace(interest, **{each.name: np.full(len(interest.open_interest), value) for each in fields(interest)})


@pytest.mark.parametrize("seconds", [-0.5, 0.0, 1.0, 60.0])
def test_the_expiry_minute(made: Made, seconds: float) -> None:
    """At and after its moment an expiry has no volatility; a second before it, it has one, and nothing overflows."""
    at = float(made[0].groups.expires_at[0]) - seconds
    quotes = replace(made[0].options.quotes, time=np.full(len(made[0].options.sign), at))
    around = replace(made[0].underlyings, spot_time=np.array([at]), today=made[0].groups.expiry[:1])
    late = replace(made[0], at=at, underlyings=around, options=replace(made[0].options, quotes=quotes))
    found = evaluate((late, made[1]), fit=True)
    expired = seconds <= 0
    assert np.isnan(found.money.nearest[0]) == expired
    assert found.chains.expiries.years[0] == (0.0 if expired else pytest.approx(seconds / 31_536_000))
    assert np.isfinite(found.money.atm_volatility[1:]).all()
    assert (found.term.expiries > 0).sum() >= 1
    said(found)


def test_an_underlying_at_two_instants_is_two_underlyings(made: Made) -> None:
    rows = [
        {"group": group, "strike": strike, "sign": sign, "last": 5.0 + group, "open_interest": 100.0}
        for group in (0, 1) for strike in (95.0, 100.0, 105.0) for sign in (1.0, -1.0)
    ]  # fmt: skip
    found = evaluate(snapshot(rows, days=(10, 10), underlying=(0, 1), spots=(100.0, 100.0), at=(1e9, 1e9)))
    assert found.money.straddle.tolist() == [10.0, 12.0]
    assert found.interest.max_pain.tolist() == [100.0, 100.0]


def test_a_contract_that_is_there_twice(made: Made) -> None:
    rows = [
        {"group": 0, "strike": 100.0, "sign": sign, "last": price, "open_interest": 10.0}
        for sign, price in ((1.0, 3.0), (1.0, 4.0), (-1.0, 3.0))
    ]
    found = evaluate(snapshot(rows))
    assert found.money.straddle[0] == 6.0  # the first of them
    assert found.interest.call_interest[0] == 20.0
    assert found.levels.options[:3].tolist() == [3, 2, 1]


HOSTILE = (1e300, -1e300, np.inf, -np.inf, -1.0, 0.0, 5e-324, NAN)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_numbers_raise_nothing(made: Made, value: float) -> None:
    count = len(made[0].options.sign)
    some = np.arange(count) % 7 == 0
    for name in ("bid", "ask", "last", "volume", "time"):
        options = made[0].options
        quotes = replace(options.quotes, **{name: np.where(some, value, getattr(options.quotes, name))})
        said(evaluate((replace(made[0], options=replace(options, quotes=quotes)), made[1]), fit=True))
    for name in ("open_interest", "open_interest_before"):
        said(evaluate((made[0], replace(made[1], **{name: np.where(some, value, getattr(made[1], name))}))))
    around = made[0].underlyings
    said(evaluate((replace(made[0], underlyings=replace(around, spot=np.array([value]))), made[1])))
    said(evaluate(made, before=[value, NAN, 24_000.0]))
    strike = made[0].options.strike.copy()
    last = made[0].options.group == 2
    strike[np.flatnonzero(last)[0 if value < 1 else -1]] = value
    if not np.isnan(value) or np.isnan(strike[-1]):
        said(evaluate((replace(made[0], options=replace(made[0].options, strike=strike)), made[1]), fit=True))


def test_american_options_have_no_volatility_by_straddle() -> None:
    rows = [
        {"group": 0, "strike": strike, "sign": sign, "bid": 4.9, "ask": 5.1, "open_interest": 10.0}
        for strike in (99.0, 100.0, 101.0) for sign in (1.0, -1.0)
    ]  # fmt: skip
    found = evaluate(snapshot(rows, american=True))
    assert np.isnan(found.money.by_straddle[0]) and found.money.nearest[0] > 0.2
    said(found)


def test_hysteresis_holds_the_money_and_tells_the_switch(made: Made) -> None:
    rows = [{"group": 0, "strike": strike, "sign": 1.0, "last": 1.0} for strike in (90.0, 100.0, 110.0)]
    nearest = {
        (104.9, NAN): (100.0, False),  # nothing was before
        (105.0, NAN): (100.0, False),  # as near to both: the lower
        (105.5, 100.0): (100.0, False),  # nearer to 110, and not 0.6 of the way
        (105.5, 110.0): (110.0, False),
        (106.1, 100.0): (110.0, True),
        (103.9, 110.0): (100.0, True),
        (104.1, 110.0): (110.0, False),
        (200.0, 110.0): (110.0, False),  # there is no strike above
        (104.0, 95.0): (100.0, True),  # not listed any more
        (93.0, 110.0): (90.0, True),
    }
    for (spot, before), expected in nearest.items():
        found = evaluate(snapshot(rows, spots=(spot,)), [before], GreeksParams(rate=0.0))
        assert (found.money.atm_strike[0], bool(found.money.atm_switched[0])) == expected, (spot, before)
        state = atm_state(found, 0, "now")
        assert state.atm_switched_from == (before if expected[1] else None)


def test_the_fit_is_not_asked_for(made: Made) -> None:
    found = evaluate(made)
    assert not np.isfinite(found.fits.a).any()
    state = smile_state(found, 0, "now")
    assert (state.fit.status, state.fit.reason) == ("not_asked", "no fit was asked for")
    fitted = evaluate_chain(price(made), ChainParams())
    assert smile_state(fitted, 0, "now").fit.status == "fitted"
    np.testing.assert_array_equal(fitted.money.atm_volatility, found.money.atm_volatility)


def test_parameters_that_ask_for_nothing(made: Made) -> None:
    found = evaluate(made, strikes=0, deltas=(), tenors=(), walls=0)
    assert found.levels.level[:9:3] == ["ATM", "ITM", "OTM"]
    assert found.interest.call_walls == [(), (), ()] and len(found.term.volatility) == 0
    assert set(found.deltas.target.tolist()) == {0.25}  # the skew's
    assert analytics_state(found, 0, "now").call_walls == []
