"""What open interest and volume say, in evaluate_chain, beside a slow reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moneyness.core.chain_params import ChainParams, DealerSign, GammaFormula
from moneyness.core.evaluate_chain import evaluate_chain
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import PricedChains
from signals.greeks.core.conventions import ForwardSource, GreeksParams, Model
from signals.greeks.core.engine import model_greeks
from tests.core import slow_chain
from tests.core.chain_makers import evaluate, price, snapshot
from tests.core.drawn_chains import chains, close, fair_price

SIDES = (1.0, -1.0)


@settings(max_examples=80, deadline=None)
@given(chains(), st.sampled_from(list(GammaFormula)), st.sampled_from(list(DealerSign)))
def test_interest(priced: PricedChains, formula: GammaFormula, dealer: DealerSign) -> None:
    params = ChainParams(fit=False, gamma_formula=formula, dealer_sign=dealer, walls=2)
    found = evaluate_chain(priced, params)
    interest, row = found.interest, 0
    signs = {
        DealerSign.LONG_CALLS: {1.0: 1.0, -1.0: -1.0},
        DealerSign.SHORT_ALL: {1.0: -1.0, -1.0: -1.0},
        DealerSign.LONG_ALL: {1.0: 1.0, -1.0: 1.0},
    }[dealer]
    for group in range(len(priced.expiries.years)):
        options = slow_chain.options_of(priced, group)
        calls, puts = ([each for each in options if each.sign == sign] for sign in (1, -1))

        def unit(o: slow_chain.Option) -> float:
            return {"per_point": 1.0, "per_percent": o.underlying_used**2 / 100, "notional": o.underlying_used**2}[
                formula
            ]

        def exposure(chosen: list[slow_chain.Option]) -> float:
            return slow_chain.total(signs[o.sign] * o.gamma * o.open_interest * unit(o) for o in chosen)

        def change(chosen: list[slow_chain.Option]) -> float:
            return slow_chain.total(o.open_interest - o.open_interest_before for o in chosen)

        for side, name in ((calls, "call"), (puts, "put")):
            close(getattr(interest, f"{name}_interest")[group], slow_chain.total(o.open_interest for o in side))
            close(getattr(interest, f"{name}_volume")[group], slow_chain.total(o.volume for o in side))
            close(getattr(interest, f"{name}_change")[group], change(side))
            close(getattr(interest, f"{name}_gamma")[group], exposure(side))
            assert getattr(interest, f"{name}_walls")[group] == walls(side, 2)
        close(interest.gamma_exposure[group], slow_chain.of_both(exposure(calls), exposure(puts)))
        for name, of in (("put_call_interest", "open_interest"), ("put_call_volume", "volume")):
            below, above = (slow_chain.total(getattr(o, of) for o in side) for side in (calls, puts))
            expected = above / below if below > 0 else math.nan  # also where nothing is known of puts
            close(getattr(interest, name)[group], expected)
        has_interest = slow_chain.has_pain(options)
        has_net = not math.isnan(interest.gamma_exposure[group])
        close(interest.max_pain[group], slow_chain.max_pain(options))
        assert interest.quotes_used[group] + interest.quotes_refused[group] == sum(
            math.isfinite(o.price) or o.bid > 0 or o.ask > 0 for o in options
        )
        check_flip(found, group, options, signs)
        for strike in slow_chain.strikes_of(options):
            own = [o for o in options if o.strike == strike]
            assert (found.smile.group[row], found.smile.strike[row]) == (group, strike)
            close(found.strikes.gamma_exposure[row], exposure(own) if has_net else math.nan)
            close(found.strikes.pain[row], slow_chain.worth(options, strike) if has_interest else math.nan)
            close(found.strikes.call_interest[row], slow_chain.total(o.open_interest for o in own if o.sign > 0))
            close(found.strikes.put_change[row], change([o for o in own if o.sign < 0]))
            row += 1


def walls(options: list[slow_chain.Option], most: int) -> tuple[float, ...]:
    held = [o for o in options if o.open_interest > 0]
    return tuple(o.strike for o in sorted(held, key=lambda o: (-o.open_interest, o.strike))[:most])


def check_flip(found: ChainEvaluation, group: int, options: list[slow_chain.Option], signs: dict[float, float]) -> None:
    """The sign changes at the flip level, and nowhere nearer to the spot that a fine grid shows."""
    expiries = found.chains.expiries
    forward, years = float(expiries.forward[group]), float(expiries.years[group])
    spot = float(found.chains.underlyings.spot[expiries.underlying[group]])
    spot = spot if spot == spot else forward

    def net(shock: float) -> float:
        return slow_chain.net_gamma(options, forward, years, signs, shock)

    flip = float(found.interest.flip[group])
    if math.isnan(flip):
        deviation = float(found.money.nearest[group]) * math.sqrt(years)
        if deviation > 0.01 and any(net(0.0) * net(number * deviation) < 0.0 for number in range(-2, 3)):
            raise AssertionError("there is a flip level")
        return
    at = math.log(flip / spot)
    assert net(at - 1e-7) * net(at + 1e-7) <= 0.0
    reach = abs(math.expm1(at)) - 0.02  # a step of the search may hide a pair of roots
    for each in np.linspace(0.0, max(reach, 0.0), 9)[1:]:
        if reach > 0:
            assert net(math.log1p(-each)) * net(0.0) >= 0.0 and net(math.log1p(each)) * net(0.0) >= 0.0


def test_by_hand() -> None:
    """Strikes 90, 100, 110 with open interest of calls 10, 40, 50 and of puts 60, 20, 20.

    Settled at 90 the calls are worth nothing and the puts 20 x 10 + 20 x 20 = 600; at 100 the calls are worth 10 x 10
    and the puts 20 x 10, 300 together; at 110 the calls are worth 10 x 20 + 40 x 10 = 600.
    """
    held = {90.0: (10.0, 60.0), 100.0: (40.0, 20.0), 110.0: (50.0, 20.0)}
    rows = [
        {
            "group": 0,
            "strike": strike,
            "sign": sign,
            "open_interest": interest,
            "open_interest_before": 5.0,
            "volume": 1.0,
        }
        for strike, sides in held.items()
        for sign, interest in zip((1.0, -1.0), sides, strict=True)
    ]
    found = evaluate(snapshot(rows), walls=2)
    assert found.strikes.pain.tolist() == [600.0, 300.0, 600.0]
    assert found.interest.max_pain[0] == 100.0
    assert found.interest.put_call_interest[0] == 1.0 and found.interest.put_call_volume[0] == 1.0
    assert (found.interest.call_change[0], found.interest.put_change[0]) == (85.0, 85.0)
    assert found.interest.call_walls == [(110.0, 100.0)]
    assert found.interest.put_walls == [(90.0, 100.0)]  # of equals the lower


def test_of_equal_pains_the_lower_strike_counts() -> None:
    rows = [
        {"group": 0, "strike": strike, "sign": sign, "open_interest": 1 / 3}
        for strike, sign in ((90.0, 1.0), (100.0, 1.0), (110.0, -1.0), (120.0, -1.0))
    ]
    found = evaluate(snapshot(rows))
    assert found.interest.max_pain[0] == 100.0  # at 110 it is the same but for rounding
    close(found.strikes.pain, [50 / 3, 40 / 3, 40 / 3, 50 / 3])


def held(interest: dict[tuple[float, float], float]) -> list[dict[str, float]]:
    """Options of one expiry by strike and sign, with their open interest."""
    return [
        {"group": 0, "strike": strike, "sign": sign, "open_interest": count, "last": fair_price(strike, sign, 10)}
        for (strike, sign), count in interest.items()
    ]


def test_gamma_is_multiplied_by_what_it_is_per() -> None:
    """Options on a future at 120 while the spot is 100. Black-76's gamma is per forward.

    The second underlying has the same options by Black-Scholes-Merton, which is given the spot that the forward stands
    for. Both models say the same of the same options, so the money of 1 % is the same.
    """
    rows = [
        {"group": group, "strike": strike, "sign": sign, "last": 9.0, "open_interest": 10.0}
        for group in (0, 1)
        for strike, sign in ((115.0, -1.0), (125.0, 1.0))
    ]
    futures = [{"underlying": place, "days": 30, "last": 120.0} for place in (0, 1)]
    made = snapshot(rows, days=(30, 30), underlying=(0, 1), spots=(100.0, 100.0), futures=futures)
    priced = price(made, GreeksParams(forward=ForwardSource.FUTURE), [True, False])
    assert priced.underlyings.black76.tolist() == [True, False]
    assert priced.expiries.forward.tolist() == [120.0, 120.0]
    gamma = priced.options.gamma
    for formula, unit in ((GammaFormula.PER_PERCENT, 0.01), (GammaFormula.NOTIONAL, 1.0)):
        found = evaluate_chain(priced, ChainParams(fit=False, gamma_formula=formula, dealer_sign=DealerSign.LONG_ALL))
        expected = unit * 120.0**2 * 10.0 * (gamma[0] + gamma[1])
        np.testing.assert_allclose(found.interest.gamma_exposure, [expected, expected], rtol=1e-9)
    assert gamma[2] != pytest.approx(gamma[0], rel=1e-3)
    chosen = price(made, GreeksParams(forward=ForwardSource.FUTURE, model=Model.BLACK76), [True, False])
    assert chosen.underlyings.black76.tolist() == [True, True]  # the model that the caller chose


@pytest.mark.parametrize("unknown", [1.0, -1.0])
def test_one_side_alone_says_nothing_of_both(unknown: float) -> None:
    """Max pain, net gamma and the flip level of calls alone would be numbers of another thing."""
    interest = {
        (strike, sign): math.nan if sign == unknown else 10.0 for strike in (90.0, 100.0, 110.0) for sign in SIDES
    }
    found = evaluate(snapshot(held(interest)))
    assert math.isnan(found.interest.max_pain[0]) and np.isnan(found.strikes.pain).all()
    assert math.isnan(found.interest.gamma_exposure[0]) and np.isnan(found.strikes.gamma_exposure).all()
    assert math.isnan(found.interest.flip[0]) and math.isnan(found.interest.put_call_interest[0])
    known = "put" if unknown > 0 else "call"
    assert getattr(found.interest, f"{known}_walls")[0] == (90.0, 100.0, 110.0)
    assert math.isfinite(getattr(found.interest, f"{known}_gamma")[0])


def test_one_unknown_among_known_takes_no_part() -> None:
    interest = {(strike, sign): 10.0 for strike in (90.0, 100.0, 110.0) for sign in SIDES} | {(90.0, 1.0): math.nan}
    found = evaluate(snapshot(held(interest)))
    assert found.interest.max_pain[0] == 100.0 and math.isfinite(found.interest.gamma_exposure[0])


def test_the_exposure_is_what_the_delta_gains_when_all_moves_by_a_percent() -> None:
    """By parity the forward is 130 though the spot is 100: deltas after a move of 1 %, by the model itself."""
    strikes = (120.0, 130.0, 140.0)
    model = {"volatility": 0.2, "expiry_years": 30 / 365, "rate": 0.065, "dividend_yield": 0.0, "black76": True}
    rows = [
        {"group": 0, "strike": strike, "sign": sign, "last": last, "open_interest": 10.0}
        for strike in strikes
        for sign in SIDES
        for last in [float(model_greeks(**model, underlying=np.array([130.0]), strike=strike, sign=sign).price[0])]
    ]
    priced = price(snapshot(rows, days=(30,), spots=(100.0,)), GreeksParams(forward=ForwardSource.PARITY))
    options = priced.options
    assert priced.expiries.forward[0] == pytest.approx(130.0, rel=1e-6)
    params = ChainParams(fit=False, gamma_formula=GammaFormula.PER_PERCENT, dealer_sign=DealerSign.LONG_ALL)
    found = evaluate_chain(priced, params).interest.gamma_exposure[0]
    step = 1e-4
    used, years, rate = options.underlying_used, priced.expiries.years[0], priced.expiries.rate[0]
    deltas = [
        model_greeks(
            volatility=options.implied_volatility,
            underlying=used * (1.0 + move),
            strike=options.strike,
            expiry_years=years,
            rate=rate,
            dividend_yield=0.0,
            sign=options.sign,
            black76=False,
        ).delta
        for move in (-step, step)
    ]
    gained = (deltas[1] - deltas[0]) / (2 * step) * 0.01 * 10.0 * used
    assert found == pytest.approx(gained.sum(), rel=1e-5)
