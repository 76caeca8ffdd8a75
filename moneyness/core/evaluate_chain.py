"""The one evaluation of chains: live, at a past instant, and in jobs."""

from collections.abc import Sequence

import numpy as np

from moneyness.core.chain_params import ChainParams
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import Floats, InterestColumns, PricedChains
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.snapshot import ChainSnapshot


def price_chains(
    snapshot: ChainSnapshot,
    keys: Sequence[str],
    black76: np.ndarray,
    interest: InterestColumns,
    params: GreeksParams,
) -> PricedChains:
    """Price whole chains. `keys` and `black76` are by underlying of the snapshot."""
    raise NotImplementedError


def evaluate_chain(chains: PricedChains, params: ChainParams, atm_before: Floats | None = None) -> ChainEvaluation:
    """Return levels, aggregates, volatilities, smiles and analytics. Pure.

    `atm_before`: each group's ATM strike of the evaluation before, NaN for none, for hysteresis. Live only.
    """
    raise NotImplementedError
