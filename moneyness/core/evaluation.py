"""What an evaluation of chains found, in frozen columns.

Order: groups as in `PricedChains.expiries`; rows of strikes, levels and deltas by group. NaN for unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moneyness.core.chain_params import ChainParams
from moneyness.core.priced import Floats, PricedChains, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyColumns:
    """Where the money is, one element a group."""

    atm_strike: Floats  # nearest to the forward (else the spot), ties to the lower; held by hysteresis when live
    atm_place: Rows  # its place among the group's strikes, -1 for none
    atm_before: Floats  # the ATM strike of the evaluation before, NaN for none
    atm_switched: NDArray[np.bool_]  # it differs from the one before
    atm_volatility: Floats  # by ChainParams.atm_volatility
    interpolated: Floats
    nearest: Floats
    by_straddle: Floats
    straddle: Floats  # price of call and put at the ATM strike
    expected_move: Floats  # one standard deviation until expiry: F x volatility x sqrt(T)


SIDES = (0, 1, -1)  # both, calls, puts: the order of the rows of a level


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelColumns:
    """Aggregates, one element a group, level (of level_grammar.levels_of) and side (of SIDES)."""

    group: Rows
    level: Sequence[str]
    side: NDArray[np.int8]  # +1 calls, -1 puts, 0 both
    options: Rows  # how many the level has
    priced: Rows  # how many of them have a volatility
    strike_low: Floats
    strike_high: Floats
    open_interest: Floats  # sums
    volume: Floats
    premium: Floats  # sum of price x open interest
    implied_volatility: Floats  # mean of the priced ones
    implied_volatility_oi: Floats  # weighted by open interest
    quality: Floats  # share of the options that are priced from a two-sided market that is not wide, 0 to 1
    greeks_mean: NDArray[np.float64]  # rows x 5: delta, gamma, theta, vega, rho
    greeks_oi: NDArray[np.float64]  # sums weighted by open interest
    greeks_volume: NDArray[np.float64]  # sums weighted by volume


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaColumns:
    """Strikes by delta, one element a group, side (calls first) and target: by interpolation, and the nearest strike.

    The targets are those of ChainParams, and 0.25.
    """

    group: Rows
    target: Floats  # absolute
    sign: Floats  # +1 call, -1 put
    strike: Floats  # interpolated; NaN if the chain does not reach that delta
    implied_volatility: Floats
    nearest_strike: Floats
    nearest_delta: Floats
    nearest_volatility: Floats
    nearest_price: Floats
    nearest_option: Rows  # its place among the options, -1 for none


@dataclass(frozen=True, slots=True, kw_only=True)
class SmileColumns:
    """The points of the smiles, one element a group and strike: the option out of the money stands for its strike."""

    group: Rows
    strike: Floats
    option: Rows  # which stands for the strike, -1 for none
    log_moneyness: Floats  # ln(K/F)
    bid_volatility: Floats
    volatility: Floats  # of the mid, or of what price there is
    ask_volatility: Floats
    delta: Floats
    refused: NDArray[np.uint8]  # bits of smile_words.Gate: 0 if the point is used
    call_volatility: Floats  # each side's own
    put_volatility: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class FitColumns:
    """The fitted smile of each group: SVI, w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), w total variance."""

    status: NDArray[np.uint8]  # smile_words.FitStatus
    a: Floats
    b: Floats
    rho: Floats
    m: Floats
    sigma: Floats
    points: Rows
    lowest: Floats  # log-moneyness of the outermost points: beyond them the fit extrapolates
    highest: Floats
    residual: Floats  # root mean square, in volatility, weighted as in the fit
    worst: Floats  # the largest, in volatility
    butterfly_free: NDArray[np.bool_]  # no strike has a negative density
    calendar_free: NDArray[np.bool_]  # its total variance is nowhere below the earlier expiry's


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewColumns:
    """One element a group. From the fit where there is one, else from the chain by interpolation in delta."""

    risk_reversal_25: Floats  # volatility of the 25-delta call less that of the put
    butterfly_25: Floats  # their mean less the ATM volatility
    slope: Floats  # of volatility over log-moneyness, at the forward
    from_fit: NDArray[np.bool_]
    mean: Floats  # of the distribution that prices imply: of S_T / F
    deviation: Floats  # of ln(S_T / F)
    skewness: Floats
    kurtosis: Floats  # excess


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestAnalytics:
    """What open interest and volume say, one element a group."""

    call_interest: Floats
    put_interest: Floats
    call_volume: Floats
    put_volume: Floats
    put_call_interest: Floats  # ratio; NaN without calls, or where nothing is known of puts
    put_call_volume: Floats
    max_pain: Floats  # the strike at which all options together are worth least
    call_change: Floats  # of open interest since the session before
    put_change: Floats
    gamma_exposure: Floats  # net, by ChainParams
    call_gamma: Floats
    put_gamma: Floats
    flip: Floats  # the spot at which net gamma exposure is zero, nearest to the spot; NaN for none
    call_walls: Sequence[tuple[float, ...]]  # strikes with the most open interest of calls, the most first
    put_walls: Sequence[tuple[float, ...]]
    quotes_used: Rows  # options with a volatility
    quotes_refused: Rows  # options with a quote but no volatility, or refused by a gate


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikeInterest:
    """One element a group and strike, in the order of SmileColumns."""

    call_interest: Floats
    put_interest: Floats
    call_change: Floats
    put_change: Floats
    call_volume: Floats
    put_volume: Floats
    gamma_exposure: Floats
    pain: Floats  # what all options are worth if the underlying settles here
    above: Floats  # risk-neutral probability of settling over the strike


@dataclass(frozen=True, slots=True, kw_only=True)
class TermColumns:
    """Constant maturities, one element an underlying and tenor: linear in total variance between two expiries."""

    underlying: Rows
    days: Floats
    volatility: Floats  # NaN outside the expiries: nothing is extrapolated
    expiries: Rows  # place of the earlier of the two groups, -1 for none
    later: Rows  # place of the later one: the same where an expiry is exactly that far


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEvaluation:
    chains: PricedChains
    params: ChainParams
    money: MoneyColumns
    levels: LevelColumns
    deltas: DeltaColumns
    smile: SmileColumns
    fits: FitColumns
    skew: SkewColumns
    interest: InterestAnalytics
    strikes: StrikeInterest
    term: TermColumns
