"""What the pricing needs, read as columns: contracts with their quotes, and the market around them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from signals.greeks.core.prices import QuoteColumns
from signalsite.foundation.rows import binary_rows, float_rows

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
# All columns are float8 and none is null (float_rows). The first is the place of the underlying among `names`.
_QUOTE_OR_NAN = ", ".join(
    f"coalesce({each}, 'NaN')::float8"
    for each in ("q.bid", "q.ask", "q.last", "q.settle", "q.close", "q.volume", "extract(epoch FROM q.time)")
)
_DATES = "(i.expiry - DATE '1970-01-01')::float8"
_CHAINS = f"""
SELECT wanted.place::float8, {_DATES}, CASE i.right WHEN 'call' THEN 1.0 WHEN 'put' THEN -1.0 ELSE 0.0 END::float8,
       coalesce(i.strike, 'NaN')::float8, coalesce(extract(epoch FROM i.expires_at), 'NaN')::float8, {_QUOTE_OR_NAN}
FROM signals_instrument i
JOIN unnest(%(underlyings)s::text[], %(expiries)s::date[], %(places)s::int[]) AS wanted(underlying, expiry, place)
  ON i.underlying_id = wanted.underlying AND i.expiry = wanted.expiry
{_NEWEST_QUOTE.format(key="i.key")}
UNION ALL
SELECT named.place - 1, {_DATES}, 0.0, 'NaN', coalesce(extract(epoch FROM i.expires_at), 'NaN')::float8, {_QUOTE_OR_NAN}
FROM signals_instrument i
JOIN unnest(%(names)s::text[]) WITH ORDINALITY AS named(underlying, place) ON i.underlying_id = named.underlying
{_NEWEST_QUOTE.format(key="i.key")}
WHERE i.product LIKE '%%_futures'
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
SELECT i.key, i.underlying_id, i.expiry FROM unnest(%(keys)s::text[]) AS wanted(key)
JOIN signals_instrument i ON i.key = wanted.key AND i.right <> ''
"""
_NEWEST = """
SELECT max(q.time) FROM unnest(%(keys)s::text[]) AS wanted(key)
CROSS JOIN LATERAL (
    SELECT time FROM timeframes_quote WHERE instrument_key = wanted.key ORDER BY time DESC LIMIT 1
) q
"""
_NEWER = "SELECT DISTINCT instrument_key FROM timeframes_quote WHERE time > %(time)s LIMIT %(most)s"
_MOST_NEWER = 50_000
_EPOCH = date(1970, 1, 1)


def _floats(column: Iterable[float | None]) -> np.ndarray:
    return np.array(tuple(column), dtype=np.float64)


def _quotes(columns: Sequence[Sequence[float | None]]) -> QuoteColumns:
    return _quote_columns([_floats(column) for column in columns])


def _quote_columns(columns: Sequence[np.ndarray]) -> QuoteColumns:
    bid, ask, last, settle, close, volume, time = columns
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
    underlyings = [group[0] for group in groups]
    names = list(dict.fromkeys(underlyings))
    place = {name: at for at, name in enumerate(names)}
    parameters = {
        "names": names,
        "underlyings": underlyings,
        "expiries": [group[1] for group in groups],
        "places": [place[name] for name in underlyings],
        **_window(as_of, max_age_seconds),
    }
    places, days, sign, strike, expires_at, *quotes = float_rows(_CHAINS, parameters, 12).T
    each_day, at_day = np.unique(days, return_inverse=True)
    dates = [_EPOCH + timedelta(days=float(day)) for day in each_day]
    return ChainRows(
        underlying=[names[int(at)] for at in places],
        expiry=[dates[at] for at in at_day.tolist()],
        sign=sign,
        strike=strike,
        expires_at=expires_at,
        quotes=_quote_columns(quotes),
    )


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


def option_groups(runs: Iterable[Sequence[str]]) -> set[tuple[str, date]]:
    """The underlyings and expiries that the options among these keys belong to.

    All options of one expiry have a key that begins alike: one of them that is known speaks for all.
    """
    found: dict[str, tuple[str, date]] = {}
    for run in runs:
        waiting: dict[str, list[str]] = {}
        for key in run:
            if (beginning := key.rsplit("@", 2)[0]) not in found:
                waiting.setdefault(beginning, []).append(key)
        for keys in ([each[0] for each in waiting.values()], None):
            asked = keys or [key for beginning, each in waiting.items() if beginning not in found for key in each[1:]]
            for key, underlying, expiry in binary_rows(_GROUPS, {"keys": asked}) if asked else ():
                found[key.rsplit("@", 2)[0]] = (underlying, expiry)
    return set(found.values())


def newest_quote_time(runs: Iterable[Sequence[str]]) -> datetime | None:
    """Of any of these keys. Once one is known, only keys with a newer quote are asked, where these are few."""
    newest: datetime | None = None
    newer: set[str] | None = None
    for run in runs:
        keys = list(run) if newer is None else [key for key in run if key in newer]
        found = binary_rows(_NEWEST, {"keys": keys})[0][0] if keys else None
        if found is not None and (newest is None or found > newest):
            newest = found
            rows = binary_rows(_NEWER, {"time": newest, "most": _MOST_NEWER})
            newer = {key for (key,) in rows} if len(rows) < _MOST_NEWER else None
        if newer is not None and not newer:
            break
    return newest
