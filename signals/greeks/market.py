"""The market around a set of options at one instant: found once, before anything is split into chunks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from signals.greeks import selectors
from signals.greeks.core.conventions import FORWARD_SOURCES, ForwardSource, GreeksParams, PriceSource, expiry_years
from signals.greeks.core.forward import Forward, ParityColumns, find_forward
from signals.greeks.core.prices import choose_price
from timeframes.core.sessions import local_date

Group = tuple[str, date]  # an underlying's key and an expiry date


@dataclass(frozen=True, slots=True)
class GroupMarket:
    """What the options of one underlying and expiry share. NaN for what is unknown."""

    forward: float
    forward_source: int  # index into FORWARD_SOURCES, -1 for none
    spot: float
    volatility_index: float  # as a decimal
    days_to_expiry: float


Market = dict[Group, GroupMarket]


def exchange_of(underlying: str) -> str:
    return underlying.split("@", 1)[0] if "@" in underlying else ""


def load_market(groups: Iterable[Group], as_of: datetime, params: GreeksParams) -> Market:
    """Forward, spot, volatility index and days to expiry of each group, in two queries."""
    wanted = sorted(set(groups))
    if not wanted:
        return {}
    spots = selectors.load_underlyings(sorted({key for key, _ in wanted}), as_of, params.max_quote_age_seconds)
    spot_price, _ = choose_price(spots.quotes, PriceSource.AUTO)  # `params.price` speaks of the options' prices
    about = {
        key: (float(spot_price[at]), float(spots.dividend_yield[at]), float(spots.volatility_index[at]) / 100.0)
        for at, key in enumerate(spots.key)
    }
    chains = selectors.load_chains(wanted, as_of, params.max_quote_age_seconds)
    found = _forwards(wanted, chains, {key: row[:2] for key, row in about.items()}, as_of, params)
    market = {}
    for group in wanted:
        spot, _, volatility_index = about[group[0]]
        forward = found.get(group)
        usable = forward is not None and forward.found
        market[group] = GroupMarket(
            forward=forward.value if forward is not None and usable else float("nan"),
            forward_source=FORWARD_SOURCES.index(forward.source) if forward is not None and usable else -1,
            spot=spot,
            volatility_index=volatility_index,
            days_to_expiry=float((group[1] - local_date(exchange_of(group[0]), as_of)).days),
        )
    return market


def _forwards(
    wanted: list[Group],
    chains: selectors.ChainRows,
    about: dict[str, tuple[float, float]],
    as_of: datetime,
    params: GreeksParams,
) -> dict[Group, Forward]:
    price, _ = choose_price(chains.quotes, params.price)
    spread = chains.quotes.ask - chains.quotes.bid
    spread[price != 0.5 * (chains.quotes.bid + chains.quotes.ask)] = np.nan  # the price is no mid
    members: dict[Group, list[int]] = {}
    futures: dict[str, list[int]] = {}
    for row, (underlying, expiry) in enumerate(zip(chains.underlying, chains.expiry, strict=True)):
        if chains.sign[row]:
            members.setdefault((underlying, expiry), []).append(row)
        elif np.isfinite(price[row]):
            futures.setdefault(underlying, []).append(row)
    seconds = chains.expires_at - as_of.timestamp()

    def years(row: int, expiry: date, underlying: str) -> float:
        days = float((expiry - local_date(exchange_of(underlying), as_of)).days)
        return float(expiry_years(params.day_count, seconds[row : row + 1], np.array([days]))[0])

    forwards = {}
    for group in wanted:
        rows = np.array(members.get(group, ()), dtype=np.intp)
        if not len(rows) or seconds[rows[0]] <= 0:
            continue
        underlying, expiry = group
        spot, own_yield = about[underlying]
        own_futures = futures.get(underlying, [])
        same = [row for row in own_futures if chains.expiry[row] == expiry]
        nearest = min(own_futures, key=lambda row: abs((chains.expiry[row] - expiry).days), default=None)
        forwards[group] = find_forward(
            params.forward,
            parity=_parity_columns(chains, rows, price, spread),
            future=float(price[same[0]]) if same else float("nan"),
            spot=spot,
            nearest_future=(
                (float("nan"), 0.0)
                if nearest is None
                else (float(price[nearest]), years(nearest, chains.expiry[nearest], underlying))
            ),
            expiry_years=years(int(rows[0]), expiry, underlying),
            rate=params.rate,
            dividend_yield=own_yield if params.dividend_yield is None else params.dividend_yield,
        )
    return forwards


def _parity_columns(
    chains: selectors.ChainRows, rows: np.ndarray, price: np.ndarray, spread: np.ndarray
) -> ParityColumns:
    """Pair the calls and puts of one expiry by strike."""
    calls, puts = rows[chains.sign[rows] > 0], rows[chains.sign[rows] < 0]
    strike, call_at, put_at = np.intersect1d(chains.strike[calls], chains.strike[puts], return_indices=True)
    call, put = calls[call_at], puts[put_at]
    volume = chains.quotes.volume
    return ParityColumns(
        strike=strike,
        call=price[call],
        put=price[put],
        call_spread=spread[call],
        put_spread=spread[put],
        call_volume=volume[call],
        put_volume=volume[put],
    )


def market_to_json(market: Market) -> dict[str, Any]:
    """As it is kept with a job: {underlying: {expiry: [forward, source, spot, volatility index, days]}}."""
    kept: dict[str, dict[str, list[Any]]] = {}
    for (underlying, expiry), group in market.items():
        values = [group.forward, group.spot, group.volatility_index]
        forward, spot, index = (value if np.isfinite(value) else None for value in values)
        source = str(FORWARD_SOURCES[group.forward_source]) if group.forward_source >= 0 else None
        kept.setdefault(underlying, {})[expiry.isoformat()] = [forward, source, spot, index, group.days_to_expiry]
    return kept


def market_from_json(kept: dict[str, Any]) -> Market:
    nan = float("nan")
    return {
        (underlying, date.fromisoformat(expiry)): GroupMarket(
            forward=nan if forward is None else forward,
            forward_source=-1 if source is None else FORWARD_SOURCES.index(ForwardSource(source)),
            spot=nan if spot is None else spot,
            volatility_index=nan if index is None else index,
            days_to_expiry=days,
        )
        for underlying, expiries in kept.items()
        for expiry, (forward, source, spot, index, days) in expiries.items()
    }
