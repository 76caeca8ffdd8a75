"""The one evaluation of chains: live, at a past instant, and in jobs."""

from dataclasses import replace

import numpy as np

from moneyness.core.aggregates import aggregate
from moneyness.core.chain_params import ChainParams
from moneyness.core.deltas import find_deltas
from moneyness.core.distribution import WING, settles_above, skews
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.interest import analyse_interest
from moneyness.core.layout import find_strikes
from moneyness.core.level_grammar import levels_of
from moneyness.core.money import find_money
from moneyness.core.price_chains import price_chains
from moneyness.core.priced import Floats, PricedChains
from moneyness.core.smile import smile_points
from moneyness.core.svi_fit import fit_smiles
from moneyness.core.term import constant_maturities

__all__ = ["evaluate_chain", "price_chains"]


def evaluate_chain(chains: PricedChains, params: ChainParams, atm_before: Floats | None = None) -> ChainEvaluation:
    """Return levels, aggregates, volatilities, smiles and analytics. Pure.

    `atm_before`: each group's ATM strike of the evaluation before, NaN for none, for hysteresis. Live only.
    """
    with np.errstate(all="ignore"):  # what divides by zero or overflows is unknown, and prints no warning
        return _evaluate(chains, params, atm_before)


def _evaluate(chains: PricedChains, params: ChainParams, atm_before: Floats | None) -> ChainEvaluation:
    strikes = find_strikes(chains)
    money = find_money(chains, strikes, params, atm_before)
    smile = smile_points(chains, strikes)
    deltas = find_deltas(chains, strikes, money, delta_targets(params))
    fits = fit_smiles(chains, smile, fit=params.fit, worst_fit=params.worst_fit)
    interest, by_strike = analyse_interest(chains, strikes, money, smile, params)
    return ChainEvaluation(
        chains=chains,
        params=params,
        money=money,
        levels=aggregate(chains, strikes, money, deltas, levels_of(params)),
        deltas=deltas,
        smile=smile,
        fits=fits,
        skew=skews(chains, smile, fits),
        interest=interest,
        strikes=replace(by_strike, above=settles_above(chains, smile, fits)),
        term=constant_maturities(chains, money.atm_volatility, params.tenors),
    )


def delta_targets(params: ChainParams) -> tuple[float, ...]:
    """Return the absolute deltas whose strikes are found: those of the parameters, and that of the skew."""
    return params.deltas if WING in params.deltas else (*params.deltas, WING)
