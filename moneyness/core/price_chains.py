"""Whole chains with their prices, volatilities and Greeks, in one call of the engine for all underlyings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moneyness.core.priced import ExpiryRows, Floats, InterestColumns, OptionRows, PricedChains, UnderlyingRows
from signals.greeks.core.answers import option_columns
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import GreeksParams, IvFrom, Model, expiry_years
from signals.greeks.core.evaluate import GreeksResult, OptionColumns, evaluate
from signals.greeks.core.exercise import implied_greeks
from signals.greeks.core.prices import QuoteColumns, mid_price
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, find_markets
from signals.greeks.core.status import Status


def price_chains(
    snapshot: ChainSnapshot,
    keys: Sequence[str],
    black76: np.ndarray,
    interest: InterestColumns,
    params: GreeksParams,
) -> PricedChains:
    """Price whole chains. `keys` and `black76` (bool) are by underlying of the snapshot.

    The rows of the answer are those of the snapshot. Its groups are ordered by underlying and date, and its options by
    group, strike, and a call before its put. Raises ValueError if they are not.
    """
    _check_order(snapshot)
    with np.errstate(all="ignore"):  # hostile numbers give unknown values, and print no warning
        return _price(snapshot, keys, black76, interest, params)


def _price(
    snapshot: ChainSnapshot, keys: Sequence[str], black76: np.ndarray, interest: InterestColumns, params: GreeksParams
) -> PricedChains:
    around, groups, chain = snapshot.underlyings, snapshot.groups, snapshot.options
    at = np.broadcast_to(np.asarray(snapshot.at, np.float64), around.spot.shape)
    markets = find_markets(snapshot, params)
    of = groups.underlying[chain.group]
    contracts = ContractColumns(
        sign=chain.sign,
        strike=chain.strike,
        expires_at=groups.expires_at[chain.group],
        black76=black76[of],
        dividend_yield=around.dividend_yield[of],
        quotes=chain.quotes,
        american=None if around.american is None else around.american[of],
    )
    options = option_columns(contracts, chain.group, markets, {}, at[of], params)
    twins = _twins(chain, options.quotes) if params.iv_from is IvFrom.OTM_TWIN else None
    result = evaluate(options, params, twins)
    bid_volatility, ask_volatility = _side_volatilities(options, result)
    left = groups.expires_at - at[groups.underlying]
    days = (groups.expiry - around.today[groups.underlying]).astype(np.float64)
    years: Floats = np.maximum(expiry_years(params.day_count, left, days), 0.0)
    forwards = [market.forward for market in markets]
    return PricedChains(
        underlyings=UnderlyingRows(
            key=keys,
            at=at,
            spot=_spots(around.spot, around.spot_time, at, params),
            black76=_by_forward(black76, params),
        ),
        expiries=ExpiryRows(
            underlying=groups.underlying,
            expiry=groups.expiry,
            years=years,
            forward=np.array([each.value if each.found else np.nan for each in forwards], np.float64),
            rate=np.array([market.carry.rate for market in markets], np.float64),
            markets=markets,
        ),
        options=OptionRows(
            group=chain.group,
            strike=chain.strike,
            sign=chain.sign,
            bid=options.quotes.bid,
            ask=options.quotes.ask,
            last=options.quotes.last,
            volume=options.quotes.volume,
            open_interest=interest.open_interest,
            open_interest_before=interest.open_interest_before,
            price=result.price_used,
            price_source=result.price_source,
            age=np.where(result.price_source >= 0, at[of] - result.price_time, np.nan),
            status=result.status,
            implied_volatility=result.implied_volatility,
            bid_volatility=bid_volatility,
            ask_volatility=ask_volatility,
            underlying_used=result.underlying_used,
            delta=result.delta,
            gamma=result.gamma,
            theta=result.theta,
            vega=result.vega,
            rho=result.rho,
        ),
    )


def _check_order(snapshot: ChainSnapshot) -> None:
    groups, options = snapshot.groups, snapshot.options
    if not _ascending(groups.underlying, groups.expiry):
        raise ValueError("the groups of a snapshot must be ordered by underlying and date")
    if not _ascending(options.group, options.strike, -options.sign):
        raise ValueError("the options of a snapshot must be ordered by group, strike and right")


def _ascending(*keys: np.ndarray) -> bool:
    """Return whether the rows are in the order of the keys, the first key first. NaN is in any order."""
    tied = np.ones(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return False
        tied &= key[1:] == key[:-1]
    return True


def _spots(spot: np.ndarray, time: np.ndarray, at: np.ndarray, params: GreeksParams) -> Floats:
    """Return the spots that are not too old, as find_markets takes them."""
    found: Floats = np.where((spot > 0) & (at - time < params.max_quote_age_seconds), spot, np.nan)
    return found


def _by_forward(black76: np.ndarray, params: GreeksParams) -> NDArray[np.bool_]:
    """Return which underlyings' options Black-76 prices, as evaluate chooses it."""
    own: NDArray[np.bool_] = np.asarray(black76, np.bool_)
    return own if params.model is Model.UNDERLYING else np.full(len(own), params.model is Model.BLACK76)


def _twins(chain: ChainColumns, quotes: QuoteColumns) -> QuoteColumns:
    """Return the quotes of the other leg at each option's strike, NaN where there is none."""
    twin = np.full(len(chain.sign), -1, np.intp)
    same = (chain.group[1:] == chain.group[:-1]) & (chain.strike[1:] == chain.strike[:-1])
    calls = np.flatnonzero(same & (chain.sign[1:] < chain.sign[:-1]))
    twin[calls], twin[calls + 1] = calls + 1, calls
    return QuoteColumns(
        **{
            name: np.where(twin >= 0, getattr(quotes, name)[twin], np.nan) if len(twin) else np.empty(0)
            for name in QuoteColumns.__slots__
        }
    )


def _side_volatilities(options: OptionColumns, result: GreeksResult) -> tuple[Floats, Floats]:
    """Return the volatilities that bid and ask imply, as `both_sides.quote_volatilities` does, in one call."""
    quotes = options.quotes
    rows = np.flatnonzero(np.isfinite(mid_price(quotes.bid, quotes.ask)))
    both = np.concatenate([rows, rows])
    contract = {
        "underlying": result.underlying_used[both],
        "strike": options.strike[both],
        "expiry_years": result.expiry_years[both],
        "rate": result.rate[both],
        "dividend_yield": result.dividend_yield[both],
        "sign": options.sign[both],
        "black76": result.black76[both],
    }
    price = np.concatenate([quotes.bid[rows], quotes.ask[rows]])
    greeks = implied_greeks(price, contract, result.american[both], result.dividends.take(both))
    volatility = np.where(greeks.status == Status.OK, greeks.implied_volatility, np.nan)
    found = np.full((2, len(quotes.bid)), np.nan)
    found[0, rows], found[1, rows] = volatility[: len(rows)], volatility[len(rows) :]
    return found[0], found[1]
