"""The states of all levels of an evaluation at once, as they are published live: many times faster than one by one."""

from collections.abc import Iterator, Sequence

import numpy as np

from moneyness.core.chain_slice import LevelOption
from moneyness.core.evaluation import SIDES, ChainEvaluation
from moneyness.core.layout import find_strikes
from moneyness.core.level_grammar import Level, levels_of
from moneyness.core.priced import Rows
from moneyness.core.state_parts import receipt
from moneyness.core.states import Aggregate, GreekSums, MoneynessLevel
from moneyness.core.told import Told
from signals.greeks.core.conventions import FIRST_ORDER

_SCALARS = (
    "options",
    "priced",
    "strike_low",
    "strike_high",
    "open_interest",
    "volume",
    "premium",
    "implied_volatility",
    "implied_volatility_oi",
    "quality",
)
_OF_AN_OPTION = ("strike", "last", "open_interest", "implied_volatility", "delta", "gamma", "theta", "vega")


def level_states(evaluation: ChainEvaluation, told: Told) -> Iterator[tuple[int, MoneynessLevel]]:
    """Yield the group and the state of each level that has options."""
    levels = levels_of(evaluation.params)
    sides = aggregates(evaluation)
    calls, puts = (_options(evaluation, places) for places in _places(evaluation, levels))
    spot, atm_strike = evaluation.chains.underlyings.spot.tolist(), evaluation.money.atm_strike.tolist()
    row = 0
    for group in range(len(told)):
        own = receipt(evaluation, group)
        for level in levels:
            both = sides[len(SIDES) * row]
            if both.options:
                yield (
                    group,
                    MoneynessLevel(
                        underlying=told.underlying[group],
                        expiry=told.expiry[group].isoformat(),
                        as_of=told.as_of[group],
                        level=level.name,
                        rule=level.rule.value,
                        spot=spot[told.place[group]],
                        atm_strike=atm_strike[group],
                        both=both,
                        calls=sides[len(SIDES) * row + 1],
                        puts=sides[len(SIDES) * row + 2],
                        receipt=own,
                        forward=own.forward,
                        call=calls[row],
                        put=puts[row],
                    ),
                )
            row += 1


def aggregates(evaluation: ChainEvaluation) -> list[Aggregate]:
    """Return the aggregates in the order of `LevelColumns`."""
    levels = evaluation.levels
    scalars = zip(*(getattr(levels, name).tolist() for name in _SCALARS), strict=True)
    matrices = (levels.greeks_mean, levels.greeks_oi, levels.greeks_volume)
    sums = [map(GreekSums, *(matrix[:, greek].tolist() for matrix in matrices)) for greek in range(len(FIRST_ORDER))]
    return [Aggregate(*own, *greeks) for own, *greeks in zip(scalars, *sums, strict=True)]


def _places(evaluation: ChainEvaluation, levels: Sequence[Level]) -> tuple[Rows, Rows]:
    """Return the option that is a level's only call, and its only put, in rows of group and level; -1 for none."""
    strikes, deltas, atm = find_strikes(evaluation.chains), evaluation.deltas, evaluation.money.atm_place
    found = np.full((2, strikes.groups, len(levels)), -1, np.intp)
    begin, end = strikes.offsets[:-1], strikes.offsets[1:]
    for number, level in enumerate(levels):
        if level.depth is not None and len(strikes.strike):
            for side, step, leg in ((0, -level.depth, strikes.call), (1, level.depth, strikes.put)):
                place = begin + atm + step
                inside = (atm >= 0) & (place >= begin) & (place < end)
                found[side, :, number] = np.where(inside, leg[np.where(inside, place, 0)], -1)
        elif level.delta is not None:
            for side, sign in enumerate((1.0, -1.0)):
                rows = np.flatnonzero((deltas.target == level.delta) & (deltas.sign == sign))
                found[side, deltas.group[rows], number] = deltas.nearest_option[rows]
    return found[0].reshape(-1), found[1].reshape(-1)


def _options(evaluation: ChainEvaluation, places: Rows) -> list[LevelOption | None]:
    some = np.flatnonzero(places >= 0)
    options = evaluation.chains.options
    columns = [getattr(options, name)[places[some]].tolist() for name in _OF_AN_OPTION]
    found: list[LevelOption | None] = [None] * len(places)
    for place, row in zip(some.tolist(), zip(*columns, strict=True), strict=True):
        found[place] = LevelOption(*row)
    return found
