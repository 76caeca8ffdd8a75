"""Which options belong to which level."""

import numpy as np

from moneyness.core.evaluation import DeltaColumns, MoneyColumns
from moneyness.core.layout import StrikeRows, at_money
from moneyness.core.level_grammar import Level
from moneyness.core.priced import PricedChains, Rows


def find_members(
    chains: PricedChains,
    strikes: StrikeRows,
    money: MoneyColumns,
    deltas: DeltaColumns,
    levels: tuple[Level, ...],
) -> tuple[Rows, Rows]:
    """Return pairs of an option and the number of a level that it belongs to.

    By strikes, depth is counted from the ATM strike: strikes below it are in the money for calls and above it for puts.
    By bands it is the forward (else the spot) that divides, and a strike at it is out of the money.
    """
    options = chains.options
    atm = money.atm_place[options.group]
    place = strikes.of_option - strikes.offsets[:-1][options.group]
    depth = np.where(options.sign > 0, atm - place, place - atm)
    placed = atm >= 0
    price = at_money(chains)[options.group]
    percent = 100.0 * np.abs(options.strike / price - 1.0)
    logarithm = np.abs(np.log(options.strike / price))
    out_of = options.sign * (options.strike - price) >= 0.0  # false where there is no price, as the distance is NaN
    chosen: list[Rows] = []
    numbers: list[Rows] = []

    def add(rows: Rows, number: Rows | int) -> None:
        chosen.append(rows)
        numbers.append(np.broadcast_to(np.asarray(number, np.intp), rows.shape))

    of_depth = {level.depth: number for number, level in enumerate(levels) if level.depth is not None}
    if of_depth:
        deepest = max(map(abs, of_depth))
        numbered = np.full(2 * deepest + 1, -1, np.intp)
        numbered[np.array(list(of_depth), np.intp) + deepest] = list(of_depth.values())
        rows = np.flatnonzero(placed & (np.abs(depth) <= deepest))
        number = numbered[depth[rows] + deepest]
        add(rows[number >= 0], number[number >= 0])
    for number, level in enumerate(levels):
        if level.band is not None:
            distance = logarithm if level.band.logarithmic else percent
            inside = (distance >= level.band.low) & (distance < level.band.high)
            add(np.flatnonzero(inside & (out_of == level.band.out_of)), number)
        elif level.delta is not None:
            add(deltas.nearest_option[(deltas.target == level.delta) & (deltas.nearest_option >= 0)], number)
        elif level.depth is None:
            add(np.flatnonzero(placed & (depth < 0 if level.out_of else depth > 0)), number)
    if not chosen:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    return np.concatenate(chosen), np.concatenate(numbers)
