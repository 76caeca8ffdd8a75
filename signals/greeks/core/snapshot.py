"""Option chains at one instant, in columns, and how forwards follow from them.

The live book fills snapshots from ticks, and the selectors fill them from stored quotes. Neither decides anything: this
module decides which quotes are too old, which prices count and where a forward comes from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from signals.greeks.core.carry import UNKNOWN_CARRY, GroupCarry, find_carries
from signals.greeks.core.conventions import ForwardSource, GreeksParams, PriceSource, expiry_years
from signals.greeks.core.dividends import CashDividend
from signals.greeks.core.exercise_rows import american_rows
from signals.greeks.core.forward import NO_FORWARD, CarriedFrom, Forward, find_forward, money
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.greeks.core.prices import QuoteColumns, choose_price, fresh_quotes
from signals.rates.core.carry import Carry

NAN = float("nan")
MID = 0  # in PRICE_SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingColumns:
    """Float64, one element per underlying, NaN for unknown; times in seconds since 1970."""

    spot: np.ndarray
    spot_source: np.ndarray  # int8: index into PRICE_SOURCES, -1 for none
    spot_time: np.ndarray
    volatility_index: np.ndarray  # in percent, as it is quoted
    volatility_index_time: np.ndarray
    dividend_yield: np.ndarray
    today: np.ndarray  # int64: the date at the exchange, date.toordinal
    american: np.ndarray | None = None  # bool: its options are American by its own setting; None: none are
    known: Sequence[Carry] = ()  # rates and dividends, as of that date; empty if nothing is stored of any


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryColumns:
    """Expiries of underlyings: one element per group of options, or per future."""

    underlying: np.ndarray  # intp: its place among the underlyings
    expiry: np.ndarray  # int64: date.toordinal
    expires_at: np.ndarray  # float64: seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainColumns:
    """Options, `ordered` unless noted otherwise: by group, then by strike, a call before its put."""

    group: np.ndarray  # intp: its place among the groups
    sign: np.ndarray  # +1 call, -1 put
    strike: np.ndarray
    quotes: QuoteColumns

    def ordered(self) -> "ChainColumns":
        order = np.lexsort((-self.sign, self.strike, self.group))
        quotes = QuoteColumns(**{name: getattr(self.quotes, name)[order] for name in QuoteColumns.__slots__})
        return ChainColumns(group=self.group[order], sign=self.sign[order], strike=self.strike[order], quotes=quotes)

    def pairs(self) -> tuple[np.ndarray | slice, np.ndarray | slice]:
        """Return the places of the calls and puts that share group and strike.

        These are slices, which copy nothing, if that is all of them.
        """
        same = (self.group[1:] == self.group[:-1]) & (self.strike[1:] == self.strike[:-1])
        calls = np.flatnonzero(same & (self.sign[1:] < self.sign[:-1]))
        if 2 * len(calls) == len(self.sign):
            return slice(0, None, 2), slice(1, None, 2)
        return calls, calls + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSnapshot:
    """Whole chains, since all strikes take part in the forward.

    A group is one underlying's options of one expiry. A quote is the newest at that instant, however old.

    A snapshot of history may hold many instants: then `at` has one element per underlying, and an underlying that is
    seen at two instants is there twice, as two underlyings.
    """

    at: float | np.ndarray  # seconds since 1970
    underlyings: UnderlyingColumns
    groups: ExpiryColumns
    options: ChainColumns
    futures: ExpiryColumns
    future_quotes: QuoteColumns


@dataclass(frozen=True, slots=True)
class GroupMarket:
    """What the options of one underlying and expiry share at an instant. NaN for what is unknown."""

    forward: Forward
    spot: float
    volatility_index: float  # as a decimal
    days_to_expiry: float
    spot_age: float = NAN  # in seconds
    volatility_index_age: float = NAN
    carry: GroupCarry = UNKNOWN_CARRY
    american: bool = False  # as the parameters and the underlying have it

    @property
    def money(self) -> float | None:
        return money(self.forward.value, self.spot)


UNKNOWN_MARKET = GroupMarket(NO_FORWARD, NAN, NAN, NAN)


def find_markets(snapshot: ChainSnapshot, params: GreeksParams) -> list[GroupMarket]:
    """Return the market around each group.

    `params.price` applies to the options' prices, including those used for parity. Spot, futures and volatility index
    use the best price there is, as `auto` takes it.
    """
    groups, around = snapshot.groups, snapshot.underlyings
    at = _instants(snapshot)
    spot, spot_age = _recent(around.spot, around.spot_time, at, params)
    index, index_age = _recent(around.volatility_index, around.volatility_index_time, at, params)
    years, days = _years(snapshot, groups, params)
    carries = _carries(snapshot, groups, years, params)
    futures = _futures(snapshot, params)
    spots, expiries = spot.tolist(), groups.expiry.tolist()
    of = groups.underlying
    moments = at[of]
    live = (groups.expires_at > moments).tolist()
    american = american_rows(around.american, params, len(spot))[of]
    parities = _parities(snapshot, years, params, np.array([carry.rate for carry in carries]), american)
    rows = zip(of.tolist(), expiries, years.tolist(), live, carries, parities, moments.tolist(), strict=True)
    spot_priced = list(zip(around.spot_source.tolist(), spot_age.tolist(), strict=True))
    forwards = []
    for underlying, expiry, left, is_live, carry, parity, moment in rows:
        if not is_live:
            forwards.append(NO_FORWARD)
            continue
        own = futures.get(underlying, {})
        nearest = min(own, key=lambda other: (abs(other - expiry), other), default=None)
        future = own.get(expiry, _NO_FUTURE)
        carried = _NO_FUTURE if nearest is None else own[nearest]
        found = find_forward(
            params.forward,
            parity=parity,
            future=future.price,
            spot=spots[underlying] - carry.dividend_value,
            nearest_future=_NOTHING_CARRIED
            if nearest is None
            else CarriedFrom(carried.price, carried.years, _between(carry, carried.carry)),
            future_rate=carried.carry.rate,
            expiry_years=left,
            rate=carry.rate,
            dividend_yield=carry.dividend_yield,
            future_traded=future.traded,
        )
        if found.found:
            priced = {
                ForwardSource.PARITY: (-1, NAN) if parity is None else (parity.price_source, moment - parity.time),
                ForwardSource.FUTURE: future.priced,
                ForwardSource.SPOT: spot_priced[underlying],
                ForwardSource.CARRIED_FUTURE: carried.priced,
            }
            source, age = priced[found.source]
            found = replace(found, price_source=source, price_age=age)
        forwards.append(found)
    columns = (spot[of], index[of] / 100.0, days, spot_age[of], index_age[of])
    return list(map(GroupMarket, forwards, *(column.tolist() for column in columns), carries, american.tolist()))


def _instants(snapshot: ChainSnapshot) -> np.ndarray:
    """Return the instant of each underlying."""
    return np.broadcast_to(np.asarray(snapshot.at, np.float64), snapshot.underlyings.spot.shape)


def _carries(
    snapshot: ChainSnapshot, expiries: ExpiryColumns, years: np.ndarray, params: GreeksParams
) -> list[GroupCarry]:
    around = snapshot.underlyings
    return find_carries(
        params,
        known=around.known,
        own_yields=around.dividend_yield,
        today=around.today,
        at=_instants(snapshot),
        of=expiries.underlying,
        expires_at=expiries.expires_at,
        years=years,
    )


def _between(one: GroupCarry, other: GroupCarry) -> tuple[CashDividend, ...]:
    """Return the dividends that go ex between the two expiries: those of the later one begin with the earlier one's."""
    less, more = sorted((one.dividends, other.dividends), key=len)
    return more[len(less) :]


def _recent(price: np.ndarray, time: np.ndarray, at: np.ndarray, params: GreeksParams) -> tuple[np.ndarray, np.ndarray]:
    """Return the prices that exist and are not too old, and their ages."""
    age = at - time
    known = (price > 0) & (age < params.max_quote_age_seconds)
    return np.where(known, price, np.nan), np.where(known, age, np.nan)


def _years(snapshot: ChainSnapshot, expiries: ExpiryColumns, params: GreeksParams) -> tuple[np.ndarray, np.ndarray]:
    """Return the years to each expiry, and the whole days."""
    days = (expiries.expiry - snapshot.underlyings.today[expiries.underlying]).astype(np.float64)
    left = expiries.expires_at - _instants(snapshot)[expiries.underlying]
    return expiry_years(params.day_count, left, days), days


class _Future(NamedTuple):
    price: float
    years: float
    priced: tuple[int, float]  # the place of its price in PRICE_SOURCES, and the age of its quote
    carry: GroupCarry
    traded: bool  # False if the price is a settlement or an old trade: nothing was traded, and nobody quotes


_NO_FUTURE = _Future(NAN, 0.0, (-1, NAN), UNKNOWN_CARRY, False)
_NOTHING_CARRIED = CarriedFrom(NAN, 0.0)


def _futures(snapshot: ChainSnapshot, params: GreeksParams) -> Mapping[int, Mapping[int, _Future]]:
    """Return each future that has a price, by underlying and by expiry."""
    futures = snapshot.futures
    found: dict[int, dict[int, _Future]] = {}
    if not len(futures.expiry):
        return found
    at = _instants(snapshot)[futures.underlying]
    quotes = fresh_quotes(snapshot.future_quotes, at, params.max_quote_age_seconds)
    price, source = choose_price(quotes, PriceSource.AUTO)
    years, _ = _years(snapshot, futures, params)
    traded = (source == MID) | (quotes.volume != 0)
    columns = (futures.underlying, futures.expiry, price, years, source, at - quotes.time, traded)
    rows = zip(*map(np.ndarray.tolist, columns), _carries(snapshot, futures, years, params), strict=True)
    for underlying, expiry, each, left, code, age, is_traded, carry in rows:
        if each == each:
            future = _Future(each, left, (code, age), carry, is_traded)
            found.setdefault(underlying, {}).setdefault(expiry, future)
    return found


def _parities(
    snapshot: ChainSnapshot, years: np.ndarray, params: GreeksParams, rates: np.ndarray, american: np.ndarray
) -> Sequence[ParityForward | None]:
    """Return what parity says of each group, in one call since there are many small groups; None if it is not asked."""
    count = len(years)
    if params.forward not in (ForwardSource.AUTO, ForwardSource.PARITY) or not count:
        return [None] * count
    options = snapshot.options
    at = snapshot.at
    if isinstance(at, np.ndarray):
        at = at[snapshot.groups.underlying[options.group]]
    quotes = fresh_quotes(options.quotes, at, params.max_quote_age_seconds)
    price, source = choose_price(quotes, params.price)
    spread = np.where(source == MID, quotes.ask - quotes.bid, np.nan)
    calls, puts = options.pairs()
    columns = ParityColumns(
        strike=options.strike[calls],
        call=price[calls],
        put=price[puts],
        call_spread=spread[calls],
        put_spread=spread[puts],
        call_volume=quotes.volume[calls],
        put_volume=quotes.volume[puts],
        call_time=quotes.time[calls],
        put_time=quotes.time[puts],
        call_source=source[calls],
        put_source=source[puts],
    )
    sizes = np.bincount(options.group[calls], minlength=count)
    found = parity_forwards(columns, sizes, rate=rates, expiry_years=years)
    if params.forward is ForwardSource.PARITY:
        return found
    # With early exercise, parity is an inequality: two-sided quotes of both legs would agree on a wrong forward.
    return [None if early else each for early, each in zip(american.tolist(), found, strict=True)]
