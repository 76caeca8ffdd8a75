"""What the pricing needs, read as columns: contracts with their quotes, and the market around them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from signals.greeks.core.prices import QuoteColumns
from signalsite.foundation.rows import binary_rows

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
_CHAINS = f"""
SELECT i.underlying_id, i.expiry, CASE i.right WHEN 'call' THEN 1.0 WHEN 'put' THEN -1.0 ELSE 0.0 END::float8,
       i.strike::float8, extract(epoch FROM i.expires_at)::float8, {_QUOTE}
FROM signals_instrument i
JOIN unnest(%(underlyings)s::text[], %(expiries)s::date[]) AS wanted(underlying, expiry)
  ON i.underlying_id = wanted.underlying AND i.expiry = wanted.expiry
{_NEWEST_QUOTE.format(key="i.key")}
UNION ALL
SELECT i.underlying_id, i.expiry, 0.0, NULL, extract(epoch FROM i.expires_at)::float8, {_QUOTE}
FROM signals_instrument i
{_NEWEST_QUOTE.format(key="i.key")}
WHERE i.underlying_id = ANY(%(underlyings)s) AND i.product LIKE '%%_futures'
  AND (i.underlying_id, i.expiry) NOT IN (SELECT * FROM unnest(%(underlyings)s::text[], %(expiries)s::date[]))
"""
_UNDERLYINGS = f"""
SELECT u.key, u.dividend_yield, {_QUOTE}, v.last
FROM signals_underlying u
{_NEWEST_QUOTE.format(key="u.spot_key")}
LEFT JOIN LATERAL (
    SELECT coalesce(last, close) AS last FROM timeframes_quote
    WHERE instrument_key = u.volatility_index_key AND time <= %(as_of)s AND time > %(oldest)s
    ORDER BY time DESC LIMIT 1
) v ON true
WHERE u.key = ANY(%(keys)s)
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


def _quotes(columns: Sequence[Sequence[float | None]]) -> QuoteColumns:
    bid, ask, last, settle, close, volume, time = (_floats(column) for column in columns)
    return QuoteColumns(bid=bid, ask=ask, last=last, settle=settle, close=close, volume=volume, time=time)


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _window(as_of: datetime, max_age_seconds: float) -> dict[str, datetime]:
    return {"as_of": as_of, "oldest": as_of - timedelta(seconds=max_age_seconds)}


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


@dataclass(frozen=True, slots=True)
class ChainRows:
    """Options and futures of the expiries asked for, and the futures of their underlyings' other expiries."""

    underlying: Sequence[str]
    expiry: Sequence[date]
    sign: np.ndarray  # 0 for a future
    strike: np.ndarray
    expires_at: np.ndarray
    quotes: QuoteColumns


def load_chains(groups: Sequence[tuple[str, date]], as_of: datetime, max_age_seconds: float) -> ChainRows:
    parameters = {"underlyings": [group[0] for group in groups], "expiries": [group[1] for group in groups]}
    rows = binary_rows(_CHAINS, {**parameters, **_window(as_of, max_age_seconds)})
    underlying, expiry, sign, strike, expires_at, *quotes = _columns(rows, 12)
    return ChainRows(underlying, expiry, _floats(sign), _floats(strike), _floats(expires_at), _quotes(quotes))


@dataclass(frozen=True, slots=True)
class UnderlyingRows:
    key: Sequence[str]
    dividend_yield: np.ndarray
    quotes: QuoteColumns  # of the spot
    volatility_index: np.ndarray  # in percent, as the index is quoted


def load_underlyings(keys: Sequence[str], as_of: datetime, max_age_seconds: float) -> UnderlyingRows:
    rows = binary_rows(_UNDERLYINGS, {"keys": list(keys), **_window(as_of, max_age_seconds)})
    key, dividend_yield, *quotes, volatility_index = _columns(rows, 10)
    return UnderlyingRows(key, _floats(dividend_yield), _quotes(quotes), _floats(volatility_index))


def option_groups(keys: Sequence[str]) -> list[tuple[str, date]]:
    """The underlyings and expiries that the options among these keys belong to."""
    return [(underlying, expiry) for underlying, expiry in binary_rows(_GROUPS, {"keys": list(keys)})]


def newest_quote_time(keys: Sequence[str]) -> datetime | None:
    newest: datetime | None = binary_rows(_NEWEST, {"keys": list(keys)})[0][0]
    return newest
