"""What open interest and volume say: max pain, ratios, walls, and gamma exposure with its flip level.

Formulas: docs/chain.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moneyness.core import kernel_interest, kernel_levels
from moneyness.core.chain_params import ChainParams, DealerSign, GammaFormula
from moneyness.core.evaluation import InterestAnalytics, MoneyColumns, SmileColumns, StrikeInterest
from moneyness.core.layout import StrikeRows
from moneyness.core.priced import Floats, PricedChains
from signals.greeks.core.status import Status

STEPS_A_DEVIATION = 4
"""Of the search for the flip level: steps in one standard deviation of the underlying until expiry."""
SHORTEST_STEP, LONGEST_STEP = 6e-4, 1.25e-2
"""Of ln(S'/S): the search reaches 1.4 % at least and 30 % at most."""


def analyse_interest(
    chains: PricedChains, strikes: StrikeRows, money: MoneyColumns, smile: SmileColumns, params: ChainParams
) -> tuple[InterestAnalytics, StrikeInterest]:
    """Return the analytics by group and by strike."""
    options = chains.options
    change = options.open_interest - options.open_interest_before
    columns = (options.open_interest, options.volume, change, _exposures(chains, params))
    interest, volume, changes, gamma = _by_side(strikes, options.sign, columns)
    pain, max_pain, walls = _walk(strikes, interest, params.walls)
    net, of_strike = gamma.calls + gamma.puts, strikes.group
    is_quoted = np.isfinite(options.price) | (options.bid > 0) | (options.ask > 0)
    is_used = (options.status == Status.OK) & np.isfinite(options.implied_volatility)
    gated = np.zeros(len(options.sign), np.bool_)
    gated[smile.option[(smile.refused > 0) & (smile.option >= 0)]] = True
    refused = is_quoted & (~is_used | gated)
    put_call_interest = _ratio(interest)
    put_call_volume = _ratio(volume)
    by_group = InterestAnalytics(
        call_interest=interest.calls,
        put_interest=interest.puts,
        call_volume=volume.calls,
        put_volume=volume.puts,
        put_call_interest=put_call_interest,
        put_call_volume=put_call_volume,
        max_pain=max_pain,
        call_change=changes.calls,
        put_change=changes.puts,
        gamma_exposure=net,
        call_gamma=gamma.calls,
        put_gamma=gamma.puts,
        flip=np.where(np.isfinite(net), _flips(chains, money, params), np.nan),
        call_walls=walls[0],
        put_walls=walls[1],
        quotes_used=np.bincount(options.group[is_used & ~gated], minlength=strikes.groups),
        quotes_refused=np.bincount(options.group[refused], minlength=strikes.groups),
    )
    by_strike = StrikeInterest(
        call_interest=interest.call,
        put_interest=interest.put,
        call_change=changes.call,
        put_change=changes.put,
        call_volume=volume.call,
        put_volume=volume.put,
        gamma_exposure=np.where(np.isfinite(net)[of_strike], _plus(gamma.call, gamma.put), np.nan),
        pain=pain,
        above=np.full(len(pain), np.nan),
    )
    return by_group, by_strike


@dataclass(frozen=True, slots=True)
class _Sides:
    """Sums of what is known, NaN where nothing is: by strike, and by group."""

    call: Floats
    put: Floats
    calls: Floats
    puts: Floats


def _by_side(strikes: StrikeRows, sign: Floats, columns: Sequence[Floats]) -> list[_Sides]:
    sums = np.zeros((len(strikes.strike), 2, len(columns), 2))
    kernel_levels.sum_strikes(strikes.of_option, np.ascontiguousarray(sign), np.stack(columns), sums)
    totals = strikes.totals(sums)
    by_strike, by_group = (np.where(each[..., 0] > 0, each[..., 1], np.nan) for each in (sums, totals))
    return [
        _Sides(*(np.ascontiguousarray(each[:, side, row]) for each in (by_strike, by_group) for side in (0, 1)))
        for row in range(len(columns))
    ]


def _or_zero(values: Floats) -> Floats:
    return np.where(np.isnan(values), 0.0, values)


def _ratio(sides: _Sides) -> Floats:
    """Return puts / calls, NaN without calls, and where nothing is known of puts."""
    ratio: Floats = np.where(sides.calls > 0, sides.puts / sides.calls, np.nan)
    return ratio


def _plus(one: Floats, other: Floats) -> Floats:
    """Return the sum of what is known of two columns, NaN where neither is."""
    total: Floats = np.where(np.isnan(one), other, np.where(np.isnan(other), one, one + other))
    return total


def _walk(
    strikes: StrikeRows, interest: _Sides, walls: int
) -> tuple[Floats, Floats, tuple[list[tuple[float, ...]], list[tuple[float, ...]]]]:
    count = strikes.groups
    pain, max_pain = np.empty(len(strikes.strike)), np.empty(count)
    places = np.empty((2, count, walls), np.int64)
    calls, puts = _or_zero(interest.call), _or_zero(interest.put)
    kernel_interest.walk_interest(
        np.ascontiguousarray(strikes.strike), strikes.offsets, calls, puts, pain, max_pain, places[0], places[1]
    )
    one_sided = np.isnan(interest.calls) | np.isnan(interest.puts)  # what is least for calls alone is no max pain
    max_pain[one_sided] = np.nan
    pain[one_sided[strikes.group]] = np.nan
    listed = strikes.strike.tolist()
    call_walls, put_walls = (
        [tuple(listed[place] for place in row if place >= 0) for row in side] for side in places.tolist()
    )
    return pain, max_pain, (call_walls, put_walls)


def dealer_signs(sign: Floats, dealer: DealerSign) -> Floats:
    """Return +1 for options that dealers are taken to be long of, -1 for those they are short of."""
    if dealer is DealerSign.LONG_CALLS:
        return sign
    return np.full(len(sign), 1.0 if dealer is DealerSign.LONG_ALL else -1.0)


def _exposures(chains: PricedChains, params: ChainParams) -> Floats:
    """Return each option's gamma exposure, NaN where gamma or open interest is unknown.

    A move of 1 % of the spot moves by 1 % whatever the model was given: the spot, the forward, or the spot that the
    forward stands for. Gamma is per 1 of that, so it takes its square.
    """
    options = chains.options
    moved = options.underlying_used
    unit = np.ones(len(moved)) if params.gamma_formula is GammaFormula.PER_POINT else np.square(moved)
    if params.gamma_formula is GammaFormula.PER_PERCENT:
        unit = 0.01 * unit
    exposure: Floats = dealer_signs(options.sign, params.dealer_sign) * options.gamma * options.open_interest * unit
    return exposure


def _flips(chains: PricedChains, money: MoneyColumns, params: ChainParams) -> Floats:
    """Return the spot nearest to the present one at which net gamma exposure changes its sign, NaN for none.

    Each option keeps its volatility and T, and the forward moves in proportion to the spot. Black's gamma is then
    D phi(d1) / (F volatility sqrt(T)), of which only phi(d1) / (volatility sqrt(T)) differs within a group.
    """
    options, expiries = chains.options, chains.expiries
    spot = chains.underlyings.spot[expiries.underlying]
    spot = np.where(np.isfinite(spot), spot, expiries.forward)
    width = options.implied_volatility * np.sqrt(expiries.years)[options.group]
    distance = np.log(options.strike / expiries.forward[options.group])
    weight = dealer_signs(options.sign, params.dealer_sign) * options.open_interest / width
    rows = np.flatnonzero(np.isfinite(weight) & np.isfinite(distance) & (width > 0) & np.isfinite(options.gamma))
    group = options.group[rows]
    count = np.bincount(group, minlength=len(spot))
    typical = np.bincount(group, width[rows], minlength=len(spot)) / count
    deviation = np.where(np.isfinite(money.nearest), money.nearest * np.sqrt(expiries.years), typical)
    step = np.clip(deviation / STEPS_A_DEVIATION, SHORTEST_STEP, LONGEST_STEP)
    flip = np.empty(len(spot))
    offsets = np.searchsorted(group, np.arange(len(spot) + 1))
    kernel_interest.find_flips(offsets, distance[rows], width[rows], weight[rows], step, flip)
    level: Floats = spot * np.exp(flip)
    return level
