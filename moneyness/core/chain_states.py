"""Builders of what chains say: from an evaluation to the states of `moneyness.core.states`.

`group` is the place of an expiry in `ChainEvaluation.chains.expiries`. `as_of` is text, as the caller's door writes
instants. A value that is unknown is NaN or None, which is null in JSON.
"""

from collections.abc import Sequence

from moneyness.core.chain_slice import Number
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.layout import at_places, find_strikes
from moneyness.core.level_states import delta_strike, level_greeks
from moneyness.core.smile_words import FIT_REASONS, FitStatus, gate_words
from moneyness.core.state_parts import expiry_of, receipt, spot_of, underlying_of, value
from moneyness.core.states import (
    AnalyticsState,
    AtmVolatilityState,
    ConstantMaturity,
    SmileFit,
    SmilePoints,
    SmileState,
    StrikeLists,
    TermPoint,
    TermStructureState,
    Wall,
)

__all__ = [
    "analytics_state",
    "atm_state",
    "delta_strike",
    "level_greeks",
    "receipt",
    "smile_state",
    "strike_lists",
    "strikes_of",
    "term_state",
]


def atm_state(evaluation: ChainEvaluation, group: int, as_of: str) -> AtmVolatilityState:
    money = evaluation.money
    switched = bool(money.atm_switched[group])
    return AtmVolatilityState(
        underlying=underlying_of(evaluation, group),
        expiry=expiry_of(evaluation, group),
        as_of=as_of,
        spot=spot_of(evaluation, group),
        atm_strike=value(money.atm_strike, group),
        atm_switched_from=value(money.atm_before, group) if switched else None,
        atm_implied_volatility=value(money.atm_volatility, group),
        method=str(evaluation.params.atm_volatility),
        interpolated=value(money.interpolated, group),
        nearest=value(money.nearest, group),
        straddle_implied=value(money.by_straddle, group),
        straddle=value(money.straddle, group),
        expected_move=value(money.expected_move, group),
        receipt=receipt(evaluation, group),
    )


def analytics_state(evaluation: ChainEvaluation, group: int, as_of: str) -> AnalyticsState:
    money, interest, skew, params = evaluation.money, evaluation.interest, evaluation.skew, evaluation.params
    strikes = strike_lists(evaluation, group)
    has_skew = skew.risk_reversal_25[group] == skew.risk_reversal_25[group]
    return AnalyticsState(
        underlying=underlying_of(evaluation, group),
        expiry=expiry_of(evaluation, group),
        as_of=as_of,
        spot=spot_of(evaluation, group),
        atm_strike=value(money.atm_strike, group),
        atm_implied_volatility=value(money.atm_volatility, group),
        straddle=value(money.straddle, group),
        expected_move=value(money.expected_move, group),
        max_pain=value(interest.max_pain, group),
        put_call_ratio_open_interest=value(interest.put_call_interest, group),
        put_call_ratio_volume=value(interest.put_call_volume, group),
        call_open_interest=value(interest.call_interest, group),
        put_open_interest=value(interest.put_interest, group),
        call_open_interest_change=value(interest.call_change, group),
        put_open_interest_change=value(interest.put_change, group),
        call_volume=value(interest.call_volume, group),
        put_volume=value(interest.put_volume, group),
        gamma_exposure=value(interest.gamma_exposure, group),
        call_gamma_exposure=value(interest.call_gamma, group),
        put_gamma_exposure=value(interest.put_gamma, group),
        gamma_flip=value(interest.flip, group),
        gamma_formula=str(params.gamma_formula),
        dealer_sign=str(params.dealer_sign),
        call_walls=_walls(interest.call_walls[group], strikes.strike, strikes.call_open_interest),
        put_walls=_walls(interest.put_walls[group], strikes.strike, strikes.put_open_interest),
        risk_reversal_25=value(skew.risk_reversal_25, group),
        butterfly_25=value(skew.butterfly_25, group),
        slope=value(skew.slope, group),
        skew_from="fit" if skew.from_fit[group] else "chain" if has_skew else None,
        implied_mean=value(skew.mean, group),
        implied_deviation=value(skew.deviation, group),
        implied_skewness=value(skew.skewness, group),
        implied_kurtosis=value(skew.kurtosis, group),
        strikes=strikes,
        receipt=receipt(evaluation, group),
    )


def strike_lists(evaluation: ChainEvaluation, group: int) -> StrikeLists:
    own, strikes = strikes_of(evaluation, group), evaluation.strikes
    return StrikeLists(
        strike=evaluation.smile.strike[own].tolist(),
        call_open_interest=strikes.call_interest[own].tolist(),
        put_open_interest=strikes.put_interest[own].tolist(),
        call_open_interest_change=strikes.call_change[own].tolist(),
        put_open_interest_change=strikes.put_change[own].tolist(),
        gamma_exposure=strikes.gamma_exposure[own].tolist(),
        pain=strikes.pain[own].tolist(),
        probability_above=strikes.above[own].tolist(),
    )


def strikes_of(evaluation: ChainEvaluation, group: int) -> slice:
    """Return where the group's strikes are among all."""
    begin, end = evaluation.smile.group.searchsorted((group, group + 1)).tolist()
    return slice(begin, end)


def smile_state(evaluation: ChainEvaluation, group: int, as_of: str) -> SmileState:
    """Return the points of a smile, also those that gates refused, and the fit."""
    own, smile, money, skew = strikes_of(evaluation, group), evaluation.smile, evaluation.money, evaluation.skew
    options = smile.option[own]
    signs = evaluation.chains.options.sign
    rights = [None if place < 0 else "call" if signs[place] > 0 else "put" for place in options.tolist()]
    return SmileState(
        underlying=underlying_of(evaluation, group),
        expiry=expiry_of(evaluation, group),
        as_of=as_of,
        spot=spot_of(evaluation, group),
        atm_strike=value(money.atm_strike, group),
        atm_implied_volatility=value(money.atm_volatility, group),
        risk_reversal_25=value(skew.risk_reversal_25, group),
        butterfly_25=value(skew.butterfly_25, group),
        slope=value(skew.slope, group),
        points=SmilePoints(
            strike=smile.strike[own].tolist(),
            right=rights,
            log_moneyness=smile.log_moneyness[own].tolist(),
            bid_volatility=smile.bid_volatility[own].tolist(),
            volatility=smile.volatility[own].tolist(),
            ask_volatility=smile.ask_volatility[own].tolist(),
            delta=smile.delta[own].tolist(),
            call_volatility=smile.call_volatility[own].tolist(),
            put_volatility=smile.put_volatility[own].tolist(),
            **_legs(evaluation, own),
            refused=[list(gate_words(bits)) or None for bits in smile.refused[own].tolist()],
        ),
        fit=smile_fit(evaluation, group),
        receipt=receipt(evaluation, group),
    )


def _legs(evaluation: ChainEvaluation, own: slice) -> dict[str, list[Number]]:
    """Return each side's own deltas and prices, from which the strike at any delta is read."""
    strikes, options = find_strikes(evaluation.chains), evaluation.chains.options
    return {
        f"{side}_{name}": at_places(getattr(options, name), leg[own]).tolist()
        for side, leg in (("call", strikes.call), ("put", strikes.put))
        for name in ("delta", "price")
    }


def smile_fit(evaluation: ChainEvaluation, group: int) -> SmileFit:
    fits = evaluation.fits
    status = FitStatus(int(fits.status[group]))
    fitted = status is FitStatus.FITTED
    return SmileFit(
        status=status.word,
        reason=FIT_REASONS[status],
        a=value(fits.a, group),
        b=value(fits.b, group),
        rho=value(fits.rho, group),
        m=value(fits.m, group),
        sigma=value(fits.sigma, group),
        points=int(fits.points[group]),
        lowest=value(fits.lowest, group),
        highest=value(fits.highest, group),
        residual=value(fits.residual, group),
        worst=value(fits.worst, group),
        butterfly_free=bool(fits.butterfly_free[group]) if fitted else None,
        calendar_free=bool(fits.calendar_free[group]) if fitted else None,
    )


def term_state(evaluation: ChainEvaluation, underlying: int, as_of: str) -> TermStructureState:
    """Return the expiries of an underlying (its place in `chains.underlyings`) and its constant maturities."""
    expiries, money, skew, term = evaluation.chains.expiries, evaluation.money, evaluation.skew, evaluation.term
    groups = (expiries.underlying == underlying).nonzero()[0].tolist()
    tenors = (term.underlying == underlying).nonzero()[0].tolist()
    around = evaluation.chains.underlyings
    return TermStructureState(
        underlying=around.key[underlying],
        as_of=as_of,
        spot=value(around.spot, underlying),
        expiries=[
            TermPoint(
                expiry=expiry_of(evaluation, group),
                days=float(expiries.years[group]) * 365.0,
                atm_implied_volatility=value(money.atm_volatility, group),
                forward=value(expiries.forward, group),
                risk_reversal_25=value(skew.risk_reversal_25, group),
                butterfly_25=value(skew.butterfly_25, group),
            )
            for group in groups
        ],
        constant_maturities=[
            ConstantMaturity(
                days=float(term.days[row]),
                implied_volatility=value(term.volatility, row),
                between=[expiry_of(evaluation, int(term.expiries[row])), expiry_of(evaluation, int(term.later[row]))]
                if term.expiries[row] >= 0
                else None,
            )
            for row in tenors
        ],
    )


def _walls(walls: Sequence[float], strikes: list[float], interest: list[Number]) -> list[Wall]:
    at = dict(zip(strikes, interest, strict=True))
    return [Wall(strike, at[strike]) for strike in walls]
