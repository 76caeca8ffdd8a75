"""The states of chains: every value is that of the columns, by its name, and what is unknown is null."""

import math
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.chain import chain
from moneyness.core.chain_params import ChainParams
from moneyness.core.chain_states import (
    analytics_state,
    atm_state,
    delta_strike,
    level_greeks,
    smile_state,
    strikes_of,
    term_state,
)
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.smile_words import Gate
from tests.core.chain_makers import evaluate

DAYS = (5, 9, 37, 93)
GROUP = 2
NOW = "2026-05-28T20:26:40+00:00"


@pytest.fixture(scope="module")
def found() -> ChainEvaluation:
    snapshot, interest = chain(days=DAYS, strikes=61)
    return evaluate((snapshot, interest), fit=True, before=[23_000.0, math.nan, math.nan, math.nan])


def told(state: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
    return decoded


def test_the_receipt(found: ChainEvaluation) -> None:
    receipt = told(atm_state(found, GROUP, NOW))["receipt"]
    market = found.chains.expiries.markets[GROUP]
    assert receipt == {
        "forward": market.forward.value,
        "forward_source": "parity",
        "forward_price_source": "mid",
        "forward_price_age_seconds": 1.0,
        "forward_strikes": market.forward.parity.strikes if market.forward.parity else None,
        "rate": 0.065,
        "expiry_years": 37 / 365,
        "quotes_used": int(found.interest.quotes_used[GROUP]),
        "quotes_refused": int(found.interest.quotes_refused[GROUP]),
    }


def test_the_volatility_at_the_money(found: ChainEvaluation) -> None:
    state = told(atm_state(found, 0, NOW))
    money = found.money
    expiry = date.fromordinal(int(found.chains.expiries.expiry[0])).isoformat()
    assert (state["underlying"], state["expiry"], state["as_of"]) == ("NSE@U0", expiry, NOW)
    assert state["atm_switched_from"] == 23_000.0 and told(atm_state(found, 1, NOW))["atm_switched_from"] is None
    names = {"interpolated": "interpolated", "nearest": "nearest", "straddle_implied": "by_straddle"}
    assert state["method"] == "interpolated" and state["atm_implied_volatility"] == money.interpolated[0]
    for name, column in (names | {"straddle": "straddle", "expected_move": "expected_move"}).items():
        assert state[name] == getattr(money, column)[0] > 0


def test_analytics(found: ChainEvaluation) -> None:
    state, interest = told(analytics_state(found, GROUP, NOW)), found.interest
    own = strikes_of(found, GROUP)
    columns = {
        "max_pain": "max_pain", "put_call_ratio_open_interest": "put_call_interest", "call_volume": "call_volume",
        "put_call_ratio_volume": "put_call_volume", "call_open_interest_change": "call_change", "gamma_flip": "flip",
        "put_open_interest": "put_interest", "gamma_exposure": "gamma_exposure", "put_gamma_exposure": "put_gamma",
    }  # fmt: skip
    for name, column in columns.items():
        assert state[name] == getattr(interest, column)[GROUP], name
    assert (state["gamma_formula"], state["dealer_sign"], state["skew_from"]) == ("per_percent", "long_calls", "fit")
    assert [wall["strike"] for wall in state["put_walls"]] == list(interest.put_walls[GROUP])
    strikes = state["strikes"]
    assert {len(values) for values in strikes.values()} == {61}
    for wall in state["call_walls"]:
        assert wall["open_interest"] == strikes["call_open_interest"][strikes["strike"].index(wall["strike"])]
    for name, column in {"pain": "pain", "gamma_exposure": "gamma_exposure", "probability_above": "above"}.items():
        np.testing.assert_array_equal(strikes[name], getattr(found.strikes, column)[own])


def test_a_smile(found: ChainEvaluation) -> None:
    options = found.chains.options
    bits = np.where(found.smile.strike == 24_000, int(Gate.PARITY | Gate.MONOTONICITY), 0)
    refused = replace(found, smile=replace(found.smile, refused=bits))
    points = told(smile_state(refused, GROUP, NOW))["points"]
    assert {len(values) for values in points.values()} == {61}
    place = points["strike"].index(24_000)
    assert points["refused"][place] == ["parity", "monotonicity"] and points["refused"][place + 1] is None
    for strike, right, volatility in zip(points["strike"], points["right"], points["volatility"], strict=True):
        assert right == ("call" if strike >= found.chains.expiries.forward[GROUP] else "put")
        rows = (options.group == GROUP) & (options.strike == strike) & (options.sign == (1 if right == "call" else -1))
        assert volatility == options.implied_volatility[rows][0]
    fit = told(smile_state(found, GROUP, NOW))["fit"]
    assert (fit["status"], fit["reason"], fit["a"]) == ("fitted", None, found.fits.a[GROUP])


def test_a_term_structure(found: ChainEvaluation) -> None:
    state = told(term_state(found, 0, NOW))
    assert [point["days"] for point in state["expiries"]] == pytest.approx(DAYS)
    assert [point["atm_implied_volatility"] for point in state["expiries"]] == found.money.atm_volatility.tolist()
    days = {each["days"]: each for each in state["constant_maturities"]}
    assert days[7.0]["between"] == [state["expiries"][0]["expiry"], state["expiries"][1]["expiry"]]
    assert days[60.0]["implied_volatility"] == found.term.volatility[2]
    far = evaluate(chain(days=(93, 184), strikes=21))
    assert {each["between"] for each in told(term_state(far, 0, NOW))["constant_maturities"]} == {None}


def test_a_level_by_name(found: ChainEvaluation) -> None:
    state, levels = told(level_greeks(found, GROUP, "OTM2", NOW)), found.levels
    rows = [
        row for row, (group, level) in enumerate(zip(levels.group, levels.level, strict=True))
        if (group, level) == (GROUP, "OTM2")
    ]  # fmt: skip
    assert levels.side[rows].tolist() == [0, 1, -1] and (state["level"], state["rule"]) == ("OTM2", "strikes")
    for row, side in zip(rows, ("both", "calls", "puts"), strict=True):
        found_side = state[side]
        assert found_side["options"] == levels.options[row]
        assert found_side["implied_volatility_by_open_interest"] == levels.implied_volatility_oi[row]
        assert found_side["vega"] == {
            "mean": levels.greeks_mean[row, 3],
            "by_open_interest": levels.greeks_oi[row, 3],
            "by_volume": levels.greeks_volume[row, 3],
        }
    with pytest.raises(KeyError):
        level_greeks(found, GROUP, "OTM99", NOW)


@pytest.mark.parametrize(("side", "sign"), [("call", 1.0), ("put", -1.0)])
def test_a_strike_by_delta(found: ChainEvaluation, side: str, sign: float) -> None:
    state = told(delta_strike(found, GROUP, 0.1, side, NOW, lambda place: f"key {place}"))
    deltas = found.deltas
    (row,) = np.flatnonzero((deltas.group == GROUP) & (deltas.target == 0.1) & (deltas.sign == sign))
    assert (state["strike"], state["nearest_strike"]) == (deltas.strike[row], deltas.nearest_strike[row])
    assert state["nearest_instrument_key"] == f"key {deltas.nearest_option[row]}" and state["reason"] is None
    assert abs(state["nearest_delta"]) == pytest.approx(0.1, abs=0.02) and state["option_type"] == side
    for wrong in ((0.11, side), (0.1, "both")):
        with pytest.raises(KeyError):
            delta_strike(found, GROUP, *wrong, NOW)


def test_a_delta_that_the_chain_does_not_reach() -> None:
    found = evaluate(chain(days=(93,), strikes=5), deltas=ChainParams().deltas)
    state = told(delta_strike(found, 0, 0.05, "put", NOW))
    assert state["strike"] is None and state["implied_volatility"] is None and state["nearest_strike"] is not None
    assert state["reason"] == "no two neighbouring options of this side enclose this delta"
