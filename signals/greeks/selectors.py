"""Reads what pricing needs as columns: contracts with their quotes, and the market around them."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import GreeksParams, IvFrom, PriceSource
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns
from signals.greeks.newest_quote import NEWEST_QUOTE, QUOTE, named, window_of
from signals.greeks.unlisted import fill_in, unregistered
from signals.instruments.core.terms import option_of, options_end
from signals.rates.selectors import load_carry
from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.core.sessions import local_date

ExpiryGroup = tuple[str, date]  # an underlying's key and an expiry date
MOST_SHARED_GROUPS = 10_000  # of a job, in a megabyte; keys may name any day of two centuries

# The SQL only joins what belongs together; signals.greeks.core decides everything else.
_OPTIONS = f"""
SELECT i.underlying_id, i.expiry, i.product, CASE i.right WHEN 'call' THEN 1.0 WHEN 'put' THEN -1.0 END::float8,
       i.strike::float8, extract(epoch FROM i.expires_at)::float8, (u.pricing_model = 'black76')::int4,
       (u.exercise = 'american')::int4, u.dividend_yield, {QUOTE}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
LEFT JOIN signals_instrument i ON i.key = wanted.key
LEFT JOIN signals_underlying u ON u.key = i.underlying_id
{NEWEST_QUOTE.format(key="wanted.key")}
ORDER BY wanted.place
"""
# Options with the place of their group, then futures with that of their underlying, and their expiry's ordinal.
_CHAINS = f"""
SELECT wanted.place - 1, CASE i.right WHEN 'call' THEN 1.0 ELSE -1.0 END::float8, i.strike::float8, NULL::float8,
       extract(epoch FROM i.expires_at)::float8, {QUOTE}
FROM unnest(%(underlyings)s::text[], %(expiries)s::date[]) WITH ORDINALITY AS wanted(underlying, expiry, place)
JOIN signals_instrument i ON i.underlying_id = wanted.underlying AND i.expiry = wanted.expiry
{NEWEST_QUOTE.format(key="i.key")}
WHERE i.right <> ''
UNION ALL
SELECT wanted.place - 1, 0.0, NULL, i.expiry - DATE '0001-01-01' + 1, extract(epoch FROM i.expires_at)::float8, {QUOTE}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
JOIN signals_instrument i ON i.underlying_id = wanted.key AND i.product LIKE '%%_futures'
{NEWEST_QUOTE.format(key="i.key")}
"""
_UNDERLYINGS = f"""
SELECT coalesce(u.dividend_yield, 0), (u.exercise = 'american')::int4, {QUOTE}, {named(QUOTE, "v")}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
LEFT JOIN signals_underlying u ON u.key = wanted.key
{NEWEST_QUOTE.format(key="u.spot_key")}
{named(NEWEST_QUOTE, "v").format(key="u.volatility_index_key")}
ORDER BY wanted.place
"""
_NEWEST = """
SELECT max(q.time) FROM unnest(%(keys)s::text[]) AS wanted(key)
CROSS JOIN LATERAL (
    SELECT time FROM timeframes_quote WHERE instrument_key = wanted.key ORDER BY time DESC LIMIT 1
) q
"""
# LIMIT bounds the quotes read: a limit on keys would first read millions of quotes of a few keys.
_NEWER = """
SELECT instrument_key, count(*) FROM (
    SELECT instrument_key FROM timeframes_quote WHERE time > %(time)s LIMIT %(most)s
) newer GROUP BY instrument_key
"""
_MOST_NEWER = 50_000


_QUOTE_TYPES = dict.fromkeys(("bid", "ask", "last", "settle", "close", "volume", "time"), float)


def _ordinals(dates: Iterable[date]) -> np.ndarray:
    return np.array([day.toordinal() for day in dates], dtype=np.int64)


def _quotes(found: Mapping[str, np.ndarray], prefix: str = "") -> QuoteColumns:
    return QuoteColumns(**{name: found[prefix + name] for name in _QUOTE_TYPES})


_OPTION_TYPES = {
    "underlying": str,
    "expiry": date,
    "product": str,
    "sign": float,
    "strike": float,
    "expires_at": float,
    "black76": float,
    "american": float,
    "dividend_yield": float,
    **_QUOTE_TYPES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRows(ContractColumns):
    """Contracts and quotes in the order of the keys. A text that is no option's key has None for underlying and expiry.

    `unlisted`: the places of the options that no table has. Their terms are those of their keys.
    """

    underlying: Sequence[str | None]
    expiry: Sequence[date | None]
    product: Sequence[str | None]
    unlisted: frozenset[int] = frozenset()

    def digest(self, twins: QuoteColumns | None = None) -> str:
        """Return a digest of all columns and of the twins' quotes: equal digests mean that the same data was loaded."""
        words = (self.underlying, self.expiry, self.product, sorted(self.unlisted))
        found = hashlib.blake2b(repr(words).encode(), digest_size=16)
        for column in (self.sign, self.strike, self.expires_at, self.black76, self.dividend_yield):
            found.update(column.tobytes())
        if self.american is not None and self.american.any():  # European ones keep the digests of earlier versions
            found.update(self.american.tobytes())
        for quotes in (self.quotes, twins) if twins is not None else (self.quotes,):
            for name in quotes.__slots__:
                found.update(getattr(quotes, name).tobytes())
        return found.hexdigest()


def load_options(keys: Sequence[str], as_of: datetime, max_age_seconds: float) -> OptionRows:
    """Load each key's contract and its newest quote at most `max_age_seconds` old at `as_of`, in one query.

    An option that the tables lack has the terms of its key.
    """
    found = binary_columns(_OPTIONS, {"keys": list(keys), **window_of(as_of, max_age_seconds)}, _OPTION_TYPES)
    unlisted = fill_in(keys, found)
    return OptionRows(
        underlying=found["underlying"],
        expiry=found["expiry"],
        product=found["product"],
        sign=found["sign"],
        strike=found["strike"],
        expires_at=found["expires_at"],
        black76=found["black76"] > 0,
        american=found["american"] > 0,
        dividend_yield=found["dividend_yield"],
        quotes=_quotes(found),
        unlisted=unlisted,
    )


_OTHER = {"call": "put", "put": "call"}


def load_twins(keys: Sequence[str], as_of: datetime, params: GreeksParams) -> QuoteColumns | None:
    """Load the newest quote of the other leg at each option's strike and expiry, None if `params` do not ask for it.

    NaN for a key that has no other leg.
    """
    if params.iv_from is not IvFrom.OTM_TWIN:
        return None
    twins = []
    for key in keys:
        contract, *right_and_strike = key.rsplit("@", 2)
        other = _OTHER.get(right_and_strike[0]) if len(right_and_strike) == 2 else None
        twins.append(f"{contract}@{other}@{right_and_strike[1]}" if other else "")
    wanted = {"keys": twins, **window_of(as_of, params.max_quote_age_seconds)}
    return _quotes(binary_columns(_OPTIONS, wanted, _OPTION_TYPES))


_CHAIN_TYPES = {
    "place": int,
    "sign": float,
    "strike": float,
    "expiry": float,
    "expires_at": float,
    **_QUOTE_TYPES,
}
_UNDERLYING_TYPES = {
    "dividend_yield": float,
    "american": float,
    **_QUOTE_TYPES,
    **{f"index_{name}": float for name in _QUOTE_TYPES},
}


def load_chains(groups: Sequence[ExpiryGroup], as_of: datetime, params: GreeksParams) -> ChainSnapshot:
    """Load the chains of these underlyings and expiries, each named once, with the futures of these underlyings."""
    window = window_of(as_of, params.max_quote_age_seconds)
    underlyings, expiries = [group[0] for group in groups], [group[1] for group in groups]
    keys = sorted(set(underlyings))
    place = {key: at for at, key in enumerate(keys)}
    wanted = {"underlyings": underlyings, "expiries": expiries, "keys": keys}
    found = binary_columns(_CHAINS, {**wanted, **window}, _CHAIN_TYPES)
    is_future = found["sign"] == 0.0
    futures = {name: column[is_future] for name, column in found.items()}
    chain = {name: column[~is_future] for name, column in found.items()}
    options = ChainColumns(
        group=chain["place"].astype(np.intp), sign=chain["sign"], strike=chain["strike"], quotes=_quotes(chain)
    )
    group_ends = np.full(len(groups), np.nan)
    group_ends[options.group] = chain["expires_at"]
    for at in np.flatnonzero(np.isnan(group_ends)):  # no table has an option of this expiry
        group_ends[at] = options_end(*groups[int(at)])
    return ChainSnapshot(
        at=as_of.timestamp(),
        underlyings=_load_underlyings(keys, as_of, window),
        groups=ExpiryColumns(
            underlying=np.array([place[key] for key in underlyings], np.intp),
            expiry=_ordinals(expiries),
            expires_at=group_ends,
        ),
        options=options.ordered(),
        futures=ExpiryColumns(
            underlying=futures["place"].astype(np.intp),
            expiry=futures["expiry"].astype(np.int64),
            expires_at=futures["expires_at"],
        ),
        future_quotes=_quotes(futures),
    )


def _load_underlyings(keys: Sequence[str], as_of: datetime, window: Mapping[str, datetime]) -> UnderlyingColumns:
    found = binary_columns(_UNDERLYINGS, {"keys": keys, **window}, _UNDERLYING_TYPES)
    spots, indices = _quotes(found), _quotes(found, "index_")
    spot, spot_source = choose_price(spots, PriceSource.AUTO)
    for place in np.flatnonzero(np.isnan(found["american"])).tolist():  # in no table
        found["american"][place] = unregistered(keys[place])[1]
    today = [local_date(exchange_of(key), as_of) for key in keys]
    carry = load_carry(keys, first=min(today), last=max(today)) if keys else {}
    return UnderlyingColumns(
        spot=spot,
        spot_source=spot_source,
        spot_time=spots.time,
        volatility_index=choose_price(indices, PriceSource.AUTO)[0],
        volatility_index_time=indices.time,
        dividend_yield=found["dividend_yield"],
        american=found["american"] > 0,
        today=_ordinals(today),
        known=[carry[key].on(day.toordinal()) for key, day in zip(keys, today, strict=True)],
    )


def exchange_of(underlying: str) -> str:
    return underlying.split("@", 1)[0] if "@" in underlying else ""


def option_groups(runs: Iterable[Sequence[str]], most: int = MOST_SHARED_GROUPS) -> set[ExpiryGroup]:
    """Return the underlyings and expiries of the options among these keys, the first `most` of them.

    The keys of one expiry's options share their beginning, so one key speaks for all of them.
    """
    found: dict[str, ExpiryGroup] = {}
    for key in itertools.chain.from_iterable(runs):
        beginning = key.rsplit("@", 2)[0]
        if beginning not in found and (option := option_of(key)) and option.expiry:
            found[beginning] = (option.underlying, option.expiry)
            if len(found) == most:
                break
    return set(found.values())


def newest_quote_time(runs: Iterable[Sequence[str]]) -> datetime | None:
    """Return the time of the newest quote of any of these keys.

    Once one is known, only keys with a newer quote are read, if these are few.
    """
    newest: datetime | None = None
    newer_than: datetime | None = None
    newer: set[str] | None = None
    for run in runs:
        if newest is not None and newest != newer_than:
            newer_than, newer = newest, _keys_with_newer(newest)
        if newer is not None and not newer:
            break
        keys = list(run) if newer is None else [key for key in run if key in newer]
        found = binary_rows(_NEWEST, {"keys": keys})[0][0] if keys else None
        if found is not None and (newest is None or found > newest):
            newest = found
    return newest


def _keys_with_newer(time: datetime) -> set[str] | None:
    """Return the keys with a quote after `time`, None if there are too many such quotes to find out."""
    rows = binary_rows(_NEWER, {"time": time, "most": _MOST_NEWER})
    return None if sum(count for _, count in rows) >= _MOST_NEWER else {key for key, _ in rows}
