"""The market around a set of options at one instant: found once, before anything is split into chunks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from signals.greeks import selectors
from signals.greeks.core.conventions import ForwardSource, GreeksParams, PriceSource, expiry_years
from signals.greeks.core.forward import NO_FORWARD, Forward, find_forward
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.greeks.core.prices import choose_price
from timeframes.core.sessions import local_date

GROUPS_AT_ONCE = 500  # of some hundred options each: tens of MB
Group = tuple[str, date]  # an underlying's key and an expiry date


@dataclass(frozen=True, slots=True)
class GroupMarket:
    """What the options of one underlying and expiry share. NaN for what is unknown."""

    forward: Forward
    spot: float
    volatility_index: float  # as a decimal
    days_to_expiry: float


Market = dict[Group, GroupMarket]


def exchange_of(underlying: str) -> str:
    return underlying.split("@", 1)[0] if "@" in underlying else ""


def load_market(groups: Iterable[Group], as_of: datetime, params: GreeksParams) -> Market:
    """Forward, spot, volatility index and days to expiry of each group."""
    wanted = sorted(set(groups))
    if not wanted:
        return {}
    spots = selectors.load_underlyings(sorted({key for key, _ in wanted}), as_of, params.max_quote_age_seconds)
    spot_price, _ = choose_price(spots.quotes, PriceSource.AUTO)  # `params.price` speaks of the options' prices
    about = {
        key: (float(spot_price[at]), float(spots.dividend_yield[at]), float(spots.volatility_index[at]) / 100.0)
        for at, key in enumerate(spots.key)
    }
    found: dict[Group, Forward] = {}
    for some in (wanted[at : at + GROUPS_AT_ONCE] for at in range(0, len(wanted), GROUPS_AT_ONCE)):
        chains = selectors.load_chains(some, as_of, params.max_quote_age_seconds)
        found |= _forwards(some, chains, {key: row[:2] for key, row in about.items()}, as_of, params)
    market = {}
    for group in wanted:
        spot, _, volatility_index = about[group[0]]
        market[group] = GroupMarket(
            forward=found.get(group, NO_FORWARD),
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
    price, source = choose_price(chains.quotes, params.price)
    spread = np.where(source == 0, chains.quotes.ask - chains.quotes.bid, np.nan)  # 0 is the mid
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

    live = [group for group in wanted if group in members and seconds[members[group][0]] > 0]
    expires_in = [years(members[group][0], group[1], group[0]) for group in live]
    parities = _parities(chains, [members[group] for group in live], expires_in, price, spread, params)
    forwards = {}
    for group, group_years, parity in zip(live, expires_in, parities, strict=True):
        underlying, expiry = group
        spot, own_yield = about[underlying]
        own_futures = futures.get(underlying, [])
        same = [row for row in own_futures if chains.expiry[row] == expiry]
        nearest = min(own_futures, key=lambda row: abs((chains.expiry[row] - expiry).days), default=None)
        forwards[group] = find_forward(
            params.forward,
            parity=parity,
            future=float(price[same[0]]) if same else float("nan"),
            spot=spot,
            nearest_future=(
                (float("nan"), 0.0)
                if nearest is None
                else (float(price[nearest]), years(nearest, chains.expiry[nearest], underlying))
            ),
            expiry_years=group_years,
            rate=params.rate,
            dividend_yield=own_yield if params.dividend_yield is None else params.dividend_yield,
        )
    return forwards


def _parities(
    chains: selectors.ChainRows,
    members: Sequence[Sequence[int]],
    years: Sequence[float],
    price: np.ndarray,
    spread: np.ndarray,
    params: GreeksParams,
) -> Sequence[ParityForward | None]:
    """What the strikes of each expiry say, all in one go; `members`: the rows of each. None where nobody asks them."""
    if params.forward not in (ForwardSource.AUTO, ForwardSource.PARITY) or not members:
        return [None] * len(members)
    pairs = [_paired(chains, np.array(rows, np.intp)) for rows in members]
    calls, puts = (np.concatenate(side) for side in zip(*pairs, strict=True))
    quotes = chains.quotes
    columns = ParityColumns(
        strike=chains.strike[calls],
        call=price[calls],
        put=price[puts],
        call_spread=spread[calls],
        put_spread=spread[puts],
        call_volume=quotes.volume[calls],
        put_volume=quotes.volume[puts],
        call_time=quotes.time[calls],
        put_time=quotes.time[puts],
    )
    sizes = np.array([len(side) for side, _ in pairs])
    return parity_forwards(columns, sizes, rate=params.rate, expiry_years=np.array(years))


def _paired(chains: selectors.ChainRows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The calls and puts among one expiry's rows that have the same strikes, by strike."""
    calls, puts = rows[chains.sign[rows] > 0], rows[chains.sign[rows] < 0]
    _, call_at, put_at = np.intersect1d(chains.strike[calls], chains.strike[puts], return_indices=True)
    return calls[call_at], puts[put_at]


def forwards_told(market: Market) -> list[dict[str, Any]]:
    """The forward of each underlying and expiry with its receipt, as JSON values; null where not known."""
    told = []
    for (underlying, expiry), group in sorted(market.items()):
        found, parity = group.forward, group.forward.parity
        told.append(
            {
                "underlying": underlying,
                "expiry": expiry.isoformat(),
                "forward": _known(found.value) if found.found else None,
                "forward_source": str(found.source) if found.found else None,
                "forward_bid": _known(parity.bid) if parity else None,
                "forward_ask": _known(parity.ask) if parity else None,
                "forward_residual": _known(parity.residual) if parity else None,
                "forward_strikes": parity.strikes if parity else None,
                "forward_excluded": list(parity.excluded) if parity else [],
                "strikes_disagree": parity.disagree if parity else False,
            }
        )
    return told


def market_to_json(market: Market) -> dict[str, Any]:
    """As it is kept with a job: {underlying: {expiry: [forward, source, spot, volatility index, days, parity]}}.

    `parity` is null or [value, bid, ask, residual, strikes, excluded strikes, disagree].
    """
    kept: dict[str, dict[str, list[Any]]] = {}
    for (underlying, expiry), group in market.items():
        found, parity = group.forward, group.forward.parity
        said = parity and [
            *map(_known, (parity.value, parity.bid, parity.ask, parity.residual)),
            parity.strikes,
            parity.excluded,
            parity.disagree,
        ]
        shared = [_known(group.spot), _known(group.volatility_index), group.days_to_expiry]
        source = str(found.source) if found.found else None
        row = [_known(found.value) if found.found else None, source, *shared, said]
        kept.setdefault(underlying, {})[expiry.isoformat()] = row
    return kept


def market_of(kept: Mapping[str, Any], groups: Iterable[tuple[str | None, date | None]]) -> Market:
    """Of these groups only, as far as they are known: a job may have thousands, and a chunk of it asks for a few."""
    market: Market = {}
    for underlying, expiry in set(groups):
        if underlying and expiry and (row := kept.get(underlying, {}).get(expiry.isoformat())):
            market[underlying, expiry] = _group_from_json(*row)
    return market


def market_from_json(kept: Mapping[str, Any]) -> Market:
    return {
        (underlying, date.fromisoformat(expiry)): _group_from_json(*row)
        for underlying, expiries in kept.items()
        for expiry, row in expiries.items()
    }


def _group_from_json(
    forward: float | None,
    source: str | None,
    spot: float | None,
    volatility_index: float | None,
    days_to_expiry: float,
    parity: Sequence[Any] | None = None,  # jobs prepared by earlier versions have none
) -> GroupMarket:
    said = None
    if parity is not None:
        value, bid, ask, residual, strikes, excluded, disagree = parity
        prices = _number(value), _number(bid), _number(ask), _number(residual)
        said = ParityForward(*prices, strikes, tuple(excluded), disagree)
    by = ForwardSource.PARITY if source is None and said else ForwardSource(source or ForwardSource.AUTO)
    return GroupMarket(
        forward=Forward(_number(forward), by, said),
        spot=_number(spot),
        volatility_index=_number(volatility_index),
        days_to_expiry=days_to_expiry,
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
