"""The market around a set of options at one instant, found once before a job is split into chunks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from signals.greeks import selectors
from signals.greeks.core.conventions import FORWARD_PRICE_WORDS, ForwardSource, GreeksParams
from signals.greeks.core.forward import Forward
from signals.greeks.core.parity import ParityForward
from signals.greeks.core.snapshot import GroupMarket, find_markets
from signals.greeks.selectors import ExpiryGroup
from timeframes.core.exchanges import EXCHANGES

GROUPS_AT_ONCE = 500  # of some hundred options each: tens of MB

Market = dict[ExpiryGroup, GroupMarket]


def load_market(groups: Iterable[ExpiryGroup], as_of: datetime, params: GreeksParams) -> Market:
    """Return the forward, spot, volatility index and days to expiry of each group.

    A group of an exchange without a calendar here has no market: no table has anything of it.
    """
    wanted = sorted(group for group in set(groups) if selectors.exchange_of(group[0]) in EXCHANGES)
    market: Market = {}
    for some in (wanted[at : at + GROUPS_AT_ONCE] for at in range(0, len(wanted), GROUPS_AT_ONCE)):
        market |= zip(some, find_markets(selectors.load_chains(some, as_of, params), params), strict=True)
    return market


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReceipt:
    """The forward of one underlying and expiry, and how it was found. `forward_excluded` lists strikes left out."""

    underlying: str
    expiry: str
    forward: float | None
    forward_source: str | None
    forward_price_source: str | None
    forward_price_age_seconds: float | None
    forward_bid: float | None
    forward_ask: float | None
    forward_residual: float | None
    forward_strikes: int | None
    forward_excluded: list[float]
    strikes_disagree: bool


def forward_receipts(market: Market) -> list[dict[str, Any]]:
    """The forward of each underlying and expiry with its receipt, as JSON values; null where not known."""
    receipts = []
    for (underlying, expiry), group in sorted(market.items()):
        found, parity = group.forward, group.forward.parity
        receipt = ForwardReceipt(
            underlying=underlying,
            expiry=expiry.isoformat(),
            forward=_known(found.value) if found.found else None,
            forward_source=str(found.source) if found.found else None,
            forward_price_source=FORWARD_PRICE_WORDS[found.price_source],
            forward_price_age_seconds=_known(found.price_age),
            forward_bid=_known(parity.bid) if parity else None,
            forward_ask=_known(parity.ask) if parity else None,
            forward_residual=_known(parity.residual) if parity else None,
            forward_strikes=parity.strikes if parity else None,
            forward_excluded=list(parity.excluded) if parity else [],
            strikes_disagree=parity.disagree if parity else False,
        )
        receipts.append(asdict(receipt))
    return receipts


def load_unshared(
    kept: Mapping[str, Any],
    groups: Iterable[tuple[str | None, date | None]],
    as_of: datetime,
    params: GreeksParams,
) -> Market:
    """Return the market of those groups that the job's shared market lacks, because it was full or has no instant."""
    missing = {
        (underlying, expiry)
        for underlying, expiry in set(groups)
        if underlying and expiry and expiry.isoformat() not in kept.get(underlying, {})
    }
    return load_market(missing, as_of, params) if missing else {}


def market_to_json(market: Market) -> dict[str, Any]:
    """Return the market as jobs store it, by underlying and expiry.

    Each is [forward, source, spot, index, days, parity, price_source, price_age]. `index` is the volatility index;
    `parity` is null or [value, bid, ask, residual, strikes, excluded, disagree].
    """
    kept: dict[str, dict[str, list[Any]]] = {}
    for (underlying, expiry), group in market.items():
        found, parity = group.forward, group.forward.parity
        by_parity = parity and [
            *map(_known, (parity.value, parity.bid, parity.ask, parity.residual)),
            parity.strikes,
            parity.excluded,
            parity.disagree,
        ]
        shared = [_known(group.spot), _known(group.volatility_index), group.days_to_expiry]
        source = str(found.source) if found.found else None
        priced = [found.price_source, _known(found.price_age)]
        row = [_known(found.value) if found.found else None, source, *shared, by_parity, *priced]
        kept.setdefault(underlying, {})[expiry.isoformat()] = row
    return kept


def market_of(kept: Mapping[str, Any], groups: Iterable[tuple[str | None, date | None]]) -> Market:
    """Return the known ones of these groups: a job may have thousands, and a chunk of it needs a few."""
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
    price_source: int = -1,
    price_age: float | None = None,
) -> GroupMarket:
    by_parity = None
    if parity is not None:
        value, bid, ask, residual, strikes, excluded, disagree = parity
        prices = _number(value), _number(bid), _number(ask), _number(residual)
        by_parity = ParityForward(*prices, strikes, tuple(excluded), disagree)
    found_by = ForwardSource.PARITY if source is None and by_parity else ForwardSource(source or ForwardSource.AUTO)
    return GroupMarket(
        forward=Forward(_number(forward), found_by, by_parity, price_source, _number(price_age)),
        spot=_number(spot),
        volatility_index=_number(volatility_index),
        days_to_expiry=days_to_expiry,
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
