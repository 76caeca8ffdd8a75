"""Sums and means of the options of each level."""

import numpy as np
from numpy.typing import NDArray

from moneyness.core import kernel_levels
from moneyness.core.evaluation import SIDES, DeltaColumns, LevelColumns, MoneyColumns
from moneyness.core.layout import StrikeRows
from moneyness.core.level_grammar import Level
from moneyness.core.members import find_members
from moneyness.core.priced import Floats, OptionRows, PricedChains
from signals.greeks.core.conventions import FIRST_ORDER
from signals.greeks.core.snapshot import MID
from signals.greeks.core.status import Status

_VALUES = ("strike", "open_interest", "volume", "price", "implied_volatility", *FIRST_ORDER)
WIDE_SPREAD = 0.1
"""Of the mid: a market with a wider spread says little of the price."""


def aggregate(
    chains: PricedChains,
    strikes: StrikeRows,
    money: MoneyColumns,
    deltas: DeltaColumns,
    levels: tuple[Level, ...],
) -> LevelColumns:
    """Return the aggregates in rows of group, level and side: G x L x 3, also where a level has no options.

    A sum leaves out what is unknown, and is NaN if nothing is known. Means and sums of Greeks are over the options that
    are priced; a weighted one leaves out those without a weight.
    """
    options = chains.options
    member, number = find_members(chains, strikes, money, deltas, levels)
    size = strikes.groups * len(levels)
    cell = 2 * (options.group[member] * len(levels) + number) + (options.sign[member] < 0)
    priced = (options.status == Status.OK) & np.isfinite(options.implied_volatility)
    values = np.stack([getattr(options, name) for name in _VALUES])
    cells = np.zeros((2 * size, kernel_levels.WIDTH))
    cells[:, kernel_levels.LOW], cells[:, kernel_levels.HIGH] = np.inf, -np.inf
    kernel_levels.sum_members(cell, member, values, priced.view(np.uint8), _is_firm(options).view(np.uint8), cells)
    sums = _sides(cells.reshape(size, 2, kernel_levels.WIDTH))

    def known(total: int, count: int) -> Floats:
        found: Floats = np.where(sums[:, count] > 0, sums[:, total], np.nan)
        return found

    def greeks(first: int, count: int) -> Floats:
        found: Floats = np.where(sums[:, count, np.newaxis] > 0, sums[:, first : first + len(FIRST_ORDER)], np.nan)
        return found

    return LevelColumns(
        group=np.repeat(np.arange(strikes.groups), len(levels) * len(SIDES)),
        level=[level.name for level in levels for _ in SIDES] * strikes.groups,
        side=np.tile(np.array(SIDES, np.int8), size),
        options=sums[:, kernel_levels.OPTIONS].astype(np.intp),
        priced=sums[:, kernel_levels.PRICED].astype(np.intp),
        strike_low=np.where(np.isfinite(sums[:, kernel_levels.LOW]), sums[:, kernel_levels.LOW], np.nan),
        strike_high=np.where(np.isfinite(sums[:, kernel_levels.HIGH]), sums[:, kernel_levels.HIGH], np.nan),
        open_interest=known(kernel_levels.INTEREST, kernel_levels.WITH_INTEREST),
        volume=known(kernel_levels.VOLUME, kernel_levels.WITH_VOLUME),
        premium=known(kernel_levels.PREMIUM, kernel_levels.WITH_PREMIUM),
        implied_volatility=sums[:, kernel_levels.VOLATILITY] / sums[:, kernel_levels.PRICED],
        implied_volatility_oi=sums[:, kernel_levels.WEIGHTED_VOLATILITY] / sums[:, kernel_levels.WEIGHT],
        quality=sums[:, kernel_levels.FIRM] / sums[:, kernel_levels.OPTIONS],
        greeks_mean=greeks(kernel_levels.MEAN, kernel_levels.PRICED) / sums[:, kernel_levels.PRICED, np.newaxis],
        greeks_oi=greeks(kernel_levels.BY_INTEREST, kernel_levels.PRICED_INTEREST),
        greeks_volume=greeks(kernel_levels.BY_VOLUME, kernel_levels.PRICED_VOLUME),
    )


def _sides(cells: Floats) -> Floats:
    """Return (levels x SIDES, WIDTH) from the sums (levels, 2, WIDTH) of calls and puts."""
    calls, puts = cells[:, 0], cells[:, 1]
    both = calls + puts
    low, high = kernel_levels.LOW, kernel_levels.HIGH
    both[:, low] = np.minimum(calls[:, low], puts[:, low])
    both[:, high] = np.maximum(calls[:, high], puts[:, high])
    return np.stack([both, calls, puts], axis=1).reshape(-1, kernel_levels.WIDTH)


def _is_firm(options: OptionRows) -> NDArray[np.bool_]:
    """Return which options have their price from a two-sided market that is not wide (bool)."""
    bid, ask = options.bid, options.ask
    is_narrow = (bid > 0) & (ask >= bid) & (ask - bid <= WIDE_SPREAD * 0.5 * (bid + ask))
    firm: NDArray[np.bool_] = (options.price_source == MID) & is_narrow
    return firm
