"""Strikes by delta: by interpolation in delta, and the nearest strike."""

from collections.abc import Sequence

import numpy as np

from moneyness.core import kernel_levels
from moneyness.core.evaluation import DeltaColumns, MoneyColumns
from moneyness.core.layout import StrikeRows, at_places
from moneyness.core.priced import PricedChains

SIDES = (1.0, -1.0)


def find_deltas(
    chains: PricedChains, strikes: StrikeRows, money: MoneyColumns, targets: Sequence[float]
) -> DeltaColumns:
    """Return the strikes at absolute deltas, ordered by group, call before put, and target.

    On each side the options at and out of the money that have a delta count, from the ATM strike outwards. The
    interpolation is between the first two neighbours of which the inner one's absolute delta is more than the target,
    and the outer one's less; strike and volatility are linear in delta there. An option that has just this delta is the
    answer itself. The nearest option is that with the least difference of deltas, of two as near the one nearer to the
    money.
    """
    options, groups = chains.options, strikes.groups
    shape = (groups, len(SIDES), len(targets))
    strike, volatility = np.full(shape, np.nan), np.full(shape, np.nan)
    nearest = np.full(shape, -1, np.int64)
    kernel_levels.walk_deltas(
        strikes.offsets,
        money.atm_place,
        np.ascontiguousarray(strikes.strike),
        strikes.call,
        strikes.put,
        np.ascontiguousarray(options.delta),
        np.ascontiguousarray(options.implied_volatility),
        np.array(targets, np.float64),
        strike,
        volatility,
        nearest,
    )
    place = nearest.reshape(-1)
    return DeltaColumns(
        group=np.repeat(np.arange(groups), len(targets) * len(SIDES)),
        target=np.tile(np.array(targets, np.float64), groups * len(SIDES)),
        sign=np.tile(np.repeat(SIDES, len(targets)), groups),
        strike=strike.reshape(-1),
        implied_volatility=volatility.reshape(-1),
        nearest_strike=at_places(options.strike, place),
        nearest_delta=at_places(options.delta, place),
        nearest_volatility=at_places(options.implied_volatility, place),
        nearest_price=at_places(options.price, place),
        nearest_option=place,
    )
