"""The market around a set of options at one instant, found once before a job is split into chunks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from signals.greeks import selectors
from signals.greeks.core.carry import UNKNOWN_CARRY, DividendSource, GroupCarry, RateSource
from signals.greeks.core.conventions import FORWARD_PRICE_WORDS, Exercise, ForwardSource, GreeksParams
from signals.greeks.core.dividends import CashDividend, DividendColumns, dividend_columns
from signals.greeks.core.forward import CarriedFrom, Forward
from signals.greeks.core.parity import ParityForward
from signals.greeks.core.snapshot import UNKNOWN_MARKET, GroupMarket, find_markets
from signals.greeks.selectors import ExpiryGroup, OptionRows
from timeframes.core.exchanges import EXCHANGES

GROUPS_AT_ONCE = 500  # of some hundred options each: tens of MB

Market = dict[ExpiryGroup, GroupMarket]


def load_market(groups: Iterable[ExpiryGroup], as_of: datetime, params: GreeksParams) -> Market:
    """Return the forward, spot, volatility index, days to expiry, rate and dividends of each group.

    A group of an exchange without a calendar here has no market: no table has anything of it.
    """
    wanted = sorted(group for group in set(groups) if selectors.exchange_of(group[0]) in EXCHANGES)
    market: Market = {}
    for some in (wanted[at : at + GROUPS_AT_ONCE] for at in range(0, len(wanted), GROUPS_AT_ONCE)):
        market |= zip(some, find_markets(selectors.load_chains(some, as_of, params), params), strict=True)
    return market


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReceipt:
    """The forward of one underlying and expiry, and how it was found. `forward_excluded` lists strikes left out.

    Rate and dividends are those of items without their own. `rate_date` is the date of the curve, if the rate is from
    one.
    """

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
    rate: float | None
    rate_source: str | None
    rate_date: str | None
    dividend_yield: float | None
    dividend_source: str | None
    dividend_value: float | None
    exercise: str


def forward_receipts(market: Market) -> list[dict[str, Any]]:
    """The forward of each underlying and expiry with its receipt, as JSON values; null where not known."""
    receipts = []
    for (underlying, expiry), group in sorted(market.items()):
        found, parity, carry = group.forward, group.forward.parity, group.carry
        known = carry is not UNKNOWN_CARRY  # jobs prepared by earlier versions have none
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
            rate=carry.rate if known else None,
            rate_source=str(carry.rate_source) if known else None,
            rate_date=date.fromordinal(carry.curve_day).isoformat() if carry.curve_day else None,
            dividend_yield=_known(carry.dividend_yield),
            dividend_source=str(carry.dividend_source) if known else None,
            dividend_value=carry.dividend_value if known else None,
            exercise=str(Exercise.AMERICAN if group.american else Exercise.EUROPEAN),
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

    Each is [forward, source, spot, index, days, parity, price_source, price_age, carry, future, american].
    `index` is the volatility index, `american` a bool. `parity` is null or [value, bid, ask, residual, strikes,
    excluded, disagree, anchor]; `carry` null or [rate, source, curve_day, yield, source, [[years, dividend], ...]];
    `future` null or [price, years, [[years, dividend], ...]].
    """
    kept: dict[str, dict[str, list[Any]]] = {}
    for (underlying, expiry), group in market.items():
        found, parity = group.forward, group.forward.parity
        by_parity = parity and [
            *map(_known, (parity.value, parity.bid, parity.ask, parity.residual)),
            parity.strikes,
            parity.excluded,
            parity.disagree,
            _known(parity.anchor),
        ]
        shared = [_known(group.spot), _known(group.volatility_index), group.days_to_expiry]
        source = str(found.source) if found.found else None
        priced = [found.price_source, _known(found.price_age)]
        carried = [_carry_row(group.carry), _future_row(found.carried_from), group.american]
        row = [_known(found.value) if found.found else None, source, *shared, by_parity, *priced, *carried]
        kept.setdefault(underlying, {})[expiry.isoformat()] = row
    return kept


def _carry_row(carry: GroupCarry) -> list[Any] | None:
    if carry is UNKNOWN_CARRY:
        return None
    rate = carry.rate, str(carry.rate_source), carry.curve_day
    return [*rate, _known(carry.dividend_yield), str(carry.dividend_source), _rows(carry.dividends)]


def _future_row(future: CarriedFrom | None) -> list[Any] | None:
    return None if future is None else [future.price, future.years, _rows(future.dividends)]


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


def cash_dividends(rows: OptionRows, market: Market) -> DividendColumns:
    """Return the cash dividends of each option's market; none where that is not known."""
    pairs = list(zip(rows.underlying, rows.expiry, strict=True))
    number = {group: at for at, group in enumerate(dict.fromkeys(pairs))}
    known = (market.get((key, day), UNKNOWN_MARKET) if key and day else UNKNOWN_MARKET for key, day in number)
    return dividend_columns(
        [each.carry.dividends for each in known], np.array([number[pair] for pair in pairs], np.intp)
    )


def _group_from_json(
    forward: float | None,
    source: str | None,
    spot: float | None,
    volatility_index: float | None,
    days_to_expiry: float,
    parity: Sequence[Any] | None = None,  # jobs prepared by earlier versions have none
    price_source: int = -1,
    price_age: float | None = None,
    carry: Sequence[Any] | None = None,  # nor these
    future: Sequence[Any] | None = None,
    american: bool = False,
) -> GroupMarket:
    by_parity = None
    if parity is not None:
        value, bid, ask, residual, strikes, excluded, disagree, *anchor = parity
        prices = _number(value), _number(bid), _number(ask), _number(residual)
        by_parity = ParityForward(
            *prices, strikes, tuple(excluded), disagree, anchor=_number(anchor[0] if anchor else None)
        )
    found_by = ForwardSource.PARITY if source is None and by_parity else ForwardSource(source or ForwardSource.AUTO)
    return GroupMarket(
        forward=Forward(
            _number(forward),
            found_by,
            by_parity,
            price_source,
            _number(price_age),
            None if future is None else _future(*future),
        ),
        spot=_number(spot),
        volatility_index=_number(volatility_index),
        days_to_expiry=days_to_expiry,
        carry=UNKNOWN_CARRY if carry is None else _carry(*carry),
        american=american,
    )


def _carry(
    rate: float,
    rate_source: str,
    curve_day: int | None,
    dividend_yield: float | None,
    dividend_source: str,
    dividends: Sequence[Sequence[float]],
) -> GroupCarry:
    paid = _number(dividend_yield), DividendSource(dividend_source), _dividends(dividends)
    return GroupCarry(rate, RateSource(rate_source), curve_day, *paid)


def _future(price: float, years: float, dividends: Sequence[Sequence[float]]) -> CarriedFrom:
    return CarriedFrom(price, years, _dividends(dividends))


def _rows(dividends: Iterable[CashDividend]) -> list[list[float]]:
    return [[*each] for each in dividends]


def _dividends(rows: Sequence[Sequence[float]]) -> tuple[CashDividend, ...]:
    return tuple(CashDividend(*row) for row in rows)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
