"""Money and constant maturities of evaluate_chain beside a slow reference, and many underlyings in one call."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moneyness.core.chain_params import AtmVolatility, ChainParams
from moneyness.core.evaluate_chain import evaluate_chain
from moneyness.core.priced import PricedChains
from tests.core import slow_chain
from tests.core.chain_makers import price, snapshot
from tests.core.drawn_chains import STRIKES, chains, close, drawn_quote, fair_price

PARAMS = ChainParams(strikes=3, fit=False)


@settings(max_examples=60, deadline=None)
@given(chains(), st.sampled_from(list(AtmVolatility)), st.lists(st.sampled_from((*STRIKES, math.nan)), max_size=8))
def test_money(priced: PricedChains, method: AtmVolatility, given_before: Sequence[float]) -> None:
    count = len(priced.expiries.years)
    before = np.array([*given_before, *[math.nan] * count][:count])
    found = evaluate_chain(priced, ChainParams(fit=False, atm_volatility=method), before).money
    for group in range(count):
        options, money = slow_chain.options_of(priced, group), slow_chain.money_of(priced, group)
        strikes = slow_chain.strikes_of(options)
        atm = slow_chain.atm_of(strikes, money, before[group], hysteresis=0.6)
        close(found.atm_strike[group], atm)
        assert found.atm_place[group] == (strikes.index(atm) if atm == atm else -1)
        assert found.atm_switched[group] == (before[group] == before[group] and atm == atm and before[group] != atm)
        forward, years = float(priced.expiries.forward[group]), float(priced.expiries.years[group])
        nearest = slow_chain.mean_volatility(options, atm)
        close(found.nearest[group], nearest)
        interpolated = slow_chain.interpolated(options, forward, years) if forward == forward else math.nan
        close(found.interpolated[group], interpolated)
        call, put = (slow_chain.leg(options, atm, sign) for sign in (1, -1))
        straddle = call.price + put.price if call and put else math.nan
        close(found.straddle[group], straddle)
        if (implied := found.by_straddle[group]) == implied:
            close(_straddle_at(implied, forward, atm, years), straddle)
        chosen = {"interpolated": interpolated, "nearest": nearest, "straddle": implied}[method]
        close(found.atm_volatility[group], chosen)
        close(found.expected_move[group], forward * chosen * math.sqrt(years))


def _straddle_at(volatility: float, forward: float, strike: float, years: float) -> float:
    """Black's call and put, summed."""
    s = volatility * math.sqrt(years)
    d1 = math.log(forward / strike) / s + s / 2
    n1, n2 = (0.5 * math.erfc(-d / math.sqrt(2)) for d in (d1, d1 - s))
    call, put = forward * n1 - strike * n2, strike * (1 - n2) - forward * (1 - n1)
    return math.exp(-0.065 * years) * (call + put)


@settings(max_examples=40, deadline=None)
@given(chains())
def test_constant_maturities(priced: PricedChains) -> None:
    found = evaluate_chain(priced, ChainParams(fit=False, tenors=(3.0, 7.0, 30.0, 60.0, 300.0)))
    row = 0
    for underlying in range(len(priced.underlyings.key)):
        groups = np.flatnonzero(priced.expiries.underlying == underlying)
        points = [(float(priced.expiries.years[g]), float(found.money.atm_volatility[g])) for g in groups]
        for days in (3.0, 7.0, 30.0, 60.0, 300.0):
            assert (found.term.underlying[row], found.term.days[row]) == (underlying, days)
            close(found.term.volatility[row], slow_chain.at_tenor(points, days))
            assert (found.term.expiries[row] >= 0) == (found.term.volatility[row] == found.term.volatility[row])
            row += 1


def test_one_call_for_many_underlyings_is_what_a_call_for_each_gives() -> None:
    rng = np.random.default_rng(7)
    rows = [
        {"group": group, "strike": strike, "sign": sign, "open_interest": float(rng.integers(0, 1000))}
        | drawn_quote(rng, fair_price(strike, sign, (7, 31)[group % 2]))
        for group in range(4)
        for strike in STRIKES
        for sign in (1.0, -1.0)
    ]
    together = price(snapshot(rows, days=(7, 31, 7, 31), underlying=(0, 0, 1, 1), spots=(100.0, 101.0)))
    both = evaluate_chain(together, PARAMS)
    for number in (0, 1):
        own = [{**row, "group": row["group"] - 2 * number} for row in rows if row["group"] // 2 == number]
        alone = evaluate_chain(price(snapshot(own, days=(7, 31), spots=((100.0, 101.0)[number],))), PARAMS)
        half = slice(number * len(own), (number + 1) * len(own))
        close(alone.chains.options.implied_volatility, both.chains.options.implied_volatility[half])
        close(alone.money.atm_volatility, both.money.atm_volatility[2 * number : 2 * number + 2])
        close(alone.interest.flip, both.interest.flip[2 * number : 2 * number + 2])
        size = len(alone.levels.level)
        close(alone.levels.greeks_oi, both.levels.greeks_oi[number * size : (number + 1) * size])
        close(alone.term.volatility, both.term.volatility[3 * number : 3 * number + 3])


def test_rows_out_of_order_are_refused() -> None:
    rows = [{"group": 0, "strike": strike, "sign": 1.0} for strike in (100.0, 95.0)]
    with pytest.raises(ValueError, match="options of a snapshot must be ordered"):
        price(snapshot(rows))
    with pytest.raises(ValueError, match="groups of a snapshot must be ordered"):
        price(snapshot([], days=(20, 10)))
