"""Levels and strikes by delta of evaluate_chain beside a slow reference."""

import numpy as np
from hypothesis import given, settings

from moneyness.core.aggregates import SIDES
from moneyness.core.chain_params import Band, ChainParams
from moneyness.core.evaluate_chain import evaluate_chain
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.level_grammar import levels_of
from moneyness.core.priced import PricedChains
from tests.core import slow_chain
from tests.core.drawn_chains import chains, close

BANDS = (
    Band(low=0.0, high=5.0, logarithmic=False, out_of=True),
    Band(low=2.5, high=10.0, logarithmic=False, out_of=False),
    Band(low=0.02, high=0.15, logarithmic=True, out_of=True),
)
PARAMS = ChainParams(strikes=3, bands=BANDS, deltas=(0.05, 0.25, 0.4), fit=False)


@settings(max_examples=60, deadline=None)
@given(chains())
def test_levels_and_deltas(priced: PricedChains) -> None:
    found = evaluate_chain(priced, PARAMS)
    levels = levels_of(PARAMS)
    row = 0
    for group in range(len(priced.expiries.years)):
        options, money = slow_chain.options_of(priced, group), slow_chain.money_of(priced, group)
        strikes, atm = slow_chain.strikes_of(options), found.money.atm_strike[group]
        nearest = {}
        for target in PARAMS.deltas:
            for sign in (1.0, -1.0):
                side = slow_chain.side_of(options, strikes, atm, sign)
                strike, volatility, place = slow_chain.at_delta(side, target)
                at = _delta_row(found, group, target, sign)
                close(found.deltas.strike[at], strike)
                close(found.deltas.implied_volatility[at], volatility)
                assert found.deltas.nearest_option[at] == place
                if place >= 0:
                    option = next(each for each in options if each.place == place)
                    expected = (option.strike, option.delta, option.implied_volatility, option.price)
                    columns = ("nearest_strike", "nearest_delta", "nearest_volatility", "nearest_price")
                    close([getattr(found.deltas, name)[at] for name in columns], expected)
                nearest[target, sign] = place
        for level in levels:
            if level.delta is None:
                chosen = slow_chain.members(options, level.name, atm, money)
            else:
                places = {nearest[level.delta, sign] for sign in (1.0, -1.0)}
                chosen = [each for each in options if each.place in places]
            for side in SIDES:
                expected = slow_chain.aggregate([each for each in chosen if side in (0, each.sign)])
                assert (found.levels.group[row], found.levels.level[row], found.levels.side[row]) == (
                    group,
                    level.name,
                    side,
                )
                for name, value in expected.items():
                    close(getattr(found.levels, name)[row], value)
                row += 1
    assert row == len(found.levels.level)


def _delta_row(found: ChainEvaluation, group: int, target: float, sign: float) -> int:
    deltas = found.deltas
    (row,) = np.flatnonzero((deltas.group == group) & (deltas.target == target) & (deltas.sign == sign))
    return int(row)
