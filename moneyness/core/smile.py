"""The points of smiles: each strike's option out of the money, its volatility, and the gates that refuse it."""

import numpy as np

from moneyness.core.evaluation import SmileColumns
from moneyness.core.gates import refuse_points
from moneyness.core.layout import StrikeRows
from moneyness.core.priced import Floats, PricedChains, Rows


def smile_points(chains: PricedChains, strikes: StrikeRows) -> SmileColumns:
    """Return a point for each strike.

    The option out of the money stands for the strike: the call at or above the forward, the put below. Where it has no
    volatility, or does not exist, the other one does; `option` says which. Without a forward the put stands for it.
    """
    options, group = chains.options, strikes.group
    forward = chains.expiries.forward[group]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_moneyness = np.log(strikes.strike / forward)
    log_moneyness[~np.isfinite(log_moneyness)] = np.nan
    by_call, by_put = (taken(options.implied_volatility, side) for side in (strikes.call, strikes.put))
    calls = strikes.strike >= forward
    own, other = np.where(calls, strikes.call, strikes.put), np.where(calls, strikes.put, strikes.call)
    own_volatility, other_volatility = np.where(calls, by_call, by_put), np.where(calls, by_put, by_call)
    falls_back = (own < 0) | (np.isnan(own_volatility) & ~np.isnan(other_volatility))
    option = np.where(falls_back, other, own)
    volatility = np.where(falls_back, other_volatility, own_volatility)
    bid, ask = taken(options.bid_volatility, option), taken(options.ask_volatility, option)
    return SmileColumns(
        group=group,
        strike=strikes.strike,
        option=option,
        log_moneyness=log_moneyness,
        bid_volatility=bid,
        volatility=volatility,
        ask_volatility=ask,
        delta=taken(options.delta, option),
        refused=refuse_points(
            chains,
            group=group,
            call=strikes.call,
            put=strikes.put,
            option=option,
            log_moneyness=log_moneyness,
            bid_volatility=bid,
            volatility=volatility,
            ask_volatility=ask,
        ),
        call_volatility=by_call,
        put_volatility=by_put,
    )


def taken(column: Floats, places: Rows) -> Floats:
    """Return the column at the places, NaN for a place of -1."""
    found: Floats = np.where(places >= 0, column[places], np.nan) if len(column) else np.full(len(places), np.nan)
    return found
