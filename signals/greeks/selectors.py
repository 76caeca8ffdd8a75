"""What the pricing needs, read as columns: contracts with their quotes, and the market around them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from signals.greeks.core.conventions import GreeksParams, PriceSource
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns
from signalsite.foundation.rows import binary_rows
from timeframes.core.sessions import local_date

Group = tuple[str, date]  # an underlying's key and an expiry date

_QUOTE = "q.bid, q.ask, q.last, q.settle, q.close, q.volume, extract(epoch FROM q.time)::float8"
_NEWEST_QUOTE = """
LEFT JOIN LATERAL (
    SELECT bid, ask, last, settle, close, volume, time FROM timeframes_quote
    WHERE instrument_key = {key} AND time <= %(as_of)s AND time > %(oldest)s
    ORDER BY time DESC LIMIT 1
) q ON true
"""
# An option of the day is a row of its own; nothing is decided here but what belongs together.
_OPTIONS = f"""
SELECT i.underlying_id, i.expiry, i.product, CASE i.right WHEN 'call' THEN 1.0 WHEN 'put' THEN -1.0 END::float8,
       i.strike::float8, extract(epoch FROM i.expires_at)::float8, u.pricing_model = 'black76',
       u.dividend_yield, {_QUOTE}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
LEFT JOIN signals_instrument i ON i.key = wanted.key
LEFT JOIN signals_underlying u ON u.key = i.underlying_id
{_NEWEST_QUOTE.format(key="wanted.key")}
ORDER BY wanted.place
"""
# Options with the place of their group, then futures with that of their underlying, and their expiry.
_CHAINS = f"""
SELECT wanted.place - 1, CASE i.right WHEN 'call' THEN 1.0 ELSE -1.0 END::float8, i.strike::float8, NULL::date,
       extract(epoch FROM i.expires_at)::float8, {_QUOTE}
FROM unnest(%(underlyings)s::text[], %(expiries)s::date[]) WITH ORDINALITY AS wanted(underlying, expiry, place)
JOIN signals_instrument i ON i.underlying_id = wanted.underlying AND i.expiry = wanted.expiry
{_NEWEST_QUOTE.format(key="i.key")}
WHERE i.right <> ''
UNION ALL
SELECT wanted.place - 1, 0.0, NULL, i.expiry, extract(epoch FROM i.expires_at)::float8, {_QUOTE}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
JOIN signals_instrument i ON i.underlying_id = wanted.key AND i.product LIKE '%%_futures'
{_NEWEST_QUOTE.format(key="i.key")}
"""
_UNDERLYINGS = f"""
SELECT u.dividend_yield, {_QUOTE}, {_QUOTE.replace("q.", "v.")}
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
JOIN signals_underlying u ON u.key = wanted.key
{_NEWEST_QUOTE.format(key="u.spot_key")}
{_NEWEST_QUOTE.format(key="u.volatility_index_key").replace(") q ON", ") v ON")}
ORDER BY wanted.place
"""
_GROUPS = """
SELECT DISTINCT i.underlying_id, i.expiry FROM unnest(%(keys)s::text[]) AS wanted(key)
JOIN signals_instrument i ON i.key = wanted.key AND i.right <> ''
"""
_NEWEST = """
SELECT max(q.time) FROM unnest(%(keys)s::text[]) AS wanted(key)
CROSS JOIN LATERAL (
    SELECT time FROM timeframes_quote WHERE instrument_key = wanted.key ORDER BY time DESC LIMIT 1
) q
"""


def _floats(column: Iterable[float | None]) -> np.ndarray:
    return np.array(tuple(column), dtype=np.float64)


def _places(column: Iterable[int]) -> np.ndarray:
    return np.array(tuple(column), dtype=np.intp)


def _ordinals(dates: Iterable[date]) -> np.ndarray:
    return np.array([day.toordinal() for day in dates], dtype=np.int64)


def _quotes(columns: Sequence[Sequence[float | None]]) -> QuoteColumns:
    bid, ask, last, settle, close, volume, time = (_floats(column) for column in columns)
    return QuoteColumns(bid=bid, ask=ask, last=last, settle=settle, close=close, volume=volume, time=time)


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _window(as_of: datetime, max_age_seconds: float) -> dict[str, datetime]:
    """A second wider than the age allowed: which quotes are too old is decided by signals.greeks.core alone."""
    return {"as_of": as_of, "oldest": as_of - timedelta(seconds=max_age_seconds + 1.0)}


@dataclass(frozen=True, slots=True)
class OptionRows:
    """Contracts and quotes in the order of the keys asked for; an unknown key has None for underlying and expiry."""

    underlying: Sequence[str | None]
    expiry: Sequence[date | None]
    product: Sequence[str | None]
    sign: np.ndarray  # NaN where the instrument is no option
    strike: np.ndarray
    expires_at: np.ndarray  # seconds since 1970
    black76: np.ndarray
    dividend_yield: np.ndarray
    quotes: QuoteColumns

    def digest(self) -> str:
        """Of all that is here: the same digest means that the same was loaded."""
        found = hashlib.blake2b(repr((self.underlying, self.expiry, self.product)).encode(), digest_size=16)
        for column in (self.sign, self.strike, self.expires_at, self.black76, self.dividend_yield):
            found.update(column.tobytes())
        for name in self.quotes.__slots__:
            found.update(getattr(self.quotes, name).tobytes())
        return found.hexdigest()


def load_options(keys: Sequence[str], as_of: datetime, max_age_seconds: float) -> OptionRows:
    """One query: each key's contract and its newest quote that is at most max_age_seconds old at as_of."""
    rows = binary_rows(_OPTIONS, {"keys": list(keys), **_window(as_of, max_age_seconds)})
    underlying, expiry, product, sign, strike, expires_at, black76, dividend_yield, *quotes = _columns(rows, 15)
    return OptionRows(
        underlying=underlying,
        expiry=expiry,
        product=product,
        sign=_floats(sign),
        strike=_floats(strike),
        expires_at=_floats(expires_at),
        black76=np.array([bool(flag) for flag in black76]),
        dividend_yield=_floats(dividend_yield),
        quotes=_quotes(quotes),
    )


def load_chains(groups: Sequence[Group], as_of: datetime, params: GreeksParams) -> ChainSnapshot:
    """The chains of these underlyings and expiries, each named once, with the futures of these underlyings."""
    window = _window(as_of, params.max_quote_age_seconds)
    underlyings, expiries = [group[0] for group in groups], [group[1] for group in groups]
    keys = sorted(set(underlyings))
    place = {key: at for at, key in enumerate(keys)}
    rows = binary_rows(_CHAINS, {"underlyings": underlyings, "expiries": expiries, "keys": keys, **window})
    number, sign, strike, _, ends, *quotes = _columns([row for row in rows if row[1]], 12)
    of, _, _, expiry, future_ends, *future_quotes = _columns([row for row in rows if not row[1]], 12)
    options = ChainColumns(group=_places(number), sign=_floats(sign), strike=_floats(strike), quotes=_quotes(quotes))
    group_ends = np.full(len(groups), np.nan)
    group_ends[options.group] = _floats(ends)
    return ChainSnapshot(
        at=as_of.timestamp(),
        underlyings=_load_underlyings(keys, as_of, window),
        groups=ExpiryColumns(
            underlying=_places(place[key] for key in underlyings),
            expiry=_ordinals(expiries),
            expires_at=group_ends,
        ),
        options=options.ordered(),
        futures=ExpiryColumns(underlying=_places(of), expiry=_ordinals(expiry), expires_at=_floats(future_ends)),
        future_quotes=_quotes(future_quotes),
    )


def _load_underlyings(keys: Sequence[str], as_of: datetime, window: Mapping[str, datetime]) -> UnderlyingColumns:
    dividend_yield, *quotes = _columns(binary_rows(_UNDERLYINGS, {"keys": keys, **window}), 15)
    spots, indices = _quotes(quotes[:7]), _quotes(quotes[7:])
    return UnderlyingColumns(
        spot=choose_price(spots, PriceSource.AUTO)[0],
        spot_time=spots.time,
        volatility_index=choose_price(indices, PriceSource.AUTO)[0],
        volatility_index_time=indices.time,
        dividend_yield=_floats(dividend_yield),
        today=_ordinals(local_date(exchange_of(key), as_of) for key in keys),
    )


def exchange_of(underlying: str) -> str:
    return underlying.split("@", 1)[0] if "@" in underlying else ""


def option_groups(keys: Sequence[str]) -> list[tuple[str, date]]:
    """The underlyings and expiries that the options among these keys belong to."""
    return [(underlying, expiry) for underlying, expiry in binary_rows(_GROUPS, {"keys": list(keys)})]


def newest_quote_time(keys: Sequence[str]) -> datetime | None:
    newest: datetime | None = binary_rows(_NEWEST, {"keys": list(keys)})[0][0]
    return newest
