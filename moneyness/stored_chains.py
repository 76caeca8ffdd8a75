"""Reads whole chains as they stood at past instants, in the columns that `price_chains` takes."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np

from moneyness.core.join_snapshots import join_snapshots
from moneyness.core.priced import InterestColumns
from moneyness.interest_sql import LONGEST_BREAK, OF_BARS, OF_QUOTES, interest_days
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot
from signals.greeks.newest_quote import NEWEST_QUOTE
from signals.greeks.selectors import ExpiryGroup, exchange_of, load_chains
from signals.greeks.unlisted import unregistered
from signals.instruments.models import Underlying
from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.core.exchanges import exchange_named
from timeframes.core.sessions import local_date

# One option of an expiry with a price is enough: LIMIT ends the search at the first.
_EXPIRIES = f"""
SELECT e.underlying, e.expiry FROM (
    SELECT DISTINCT i.underlying_id AS underlying, i.expiry
    FROM unnest(%(underlyings)s::text[], %(todays)s::date[]) AS wanted(underlying, today)
    JOIN signals_instrument i ON i.underlying_id = wanted.underlying AND i.expiry >= wanted.today AND i."right" <> ''
         AND i.expires_at > %(as_of)s
) e
CROSS JOIN LATERAL (
    SELECT FROM signals_instrument i
    {NEWEST_QUOTE.format(key="i.key")}
    WHERE i.underlying_id = e.underlying AND i.expiry = e.expiry AND i."right" <> ''
      AND coalesce(q.time, qb.time) IS NOT NULL
    LIMIT 1
) one
ORDER BY 1, 2
"""
_MIDNIGHT = "(date_trunc('day', coalesce(q.time, qb.time) AT TIME ZONE wanted.zone) AT TIME ZONE wanted.zone)"
_INTEREST = f"""
SELECT wanted.place - 1, CASE i."right" WHEN 'call' THEN 1.0 ELSE -1.0 END::float8, i.strike::float8,
       coalesce(q.interest, qb.interest), coalesce(p.interest, pb.interest),
       (EXISTS (SELECT FROM timeframes_quote WHERE instrument_key = i.key AND time <= %(as_of)s)
        OR EXISTS (SELECT FROM historical_data WHERE instrument_key = i.key AND time < %(as_of)s))::int4
FROM unnest(%(underlyings)s::text[], %(expiries)s::date[], %(exchanges)s::text[], %(zones)s::text[]) WITH ORDINALITY
     AS wanted(underlying, expiry, exchange, zone, place)
JOIN signals_instrument i ON i.underlying_id = wanted.underlying AND i.expiry = wanted.expiry
{OF_QUOTES.format(name="q", until="%(as_of)s", after="%(oldest)s")}
{OF_BARS.format(name="qb", until="%(as_of)s", after="%(oldest)s", unless="q.time")}
LEFT JOIN unnest(%(day_exchanges)s::text[], %(day_befores)s::timestamptz[], %(day_begins)s::timestamptz[])
     AS day(exchange, before, midnight) ON day.exchange = wanted.exchange AND day.midnight = {_MIDNIGHT}
{OF_QUOTES.format(name="p", until="day.midnight", after="day.before")}
{OF_BARS.format(name="pb", until="day.midnight", after="day.before", unless="p.time")}
WHERE i."right" <> ''
"""
_INTEREST_TYPES = {
    "place": int,
    "sign": float,
    "strike": float,
    "open_interest": float,
    "open_interest_before": float,
    "quoted": float,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChains:
    """The arguments of `price_chains`. An underlying is there once for each of its `instants`."""

    snapshot: ChainSnapshot
    keys: Sequence[str]
    instants: Sequence[datetime]  # of the snapshot's underlyings, as the keys are
    black76: np.ndarray
    interest: InterestColumns

    def digest(self) -> str:
        """Return a digest of all columns: equal digests mean that the same data was loaded."""
        found = hashlib.blake2b(repr((list(self.keys), self.snapshot.underlyings.known)).encode(), digest_size=16)
        around, options = self.snapshot.underlyings, self.snapshot.options
        parts = (around, self.snapshot.groups, options, options.quotes)
        for part in (*parts, self.snapshot.futures, self.snapshot.future_quotes, self.interest):
            for each in fields(part):
                if isinstance(column := getattr(part, each.name), np.ndarray):
                    found.update(column.tobytes())
        found.update(self.black76.tobytes())
        found.update(np.asarray(self.snapshot.at).tobytes())
        return found.hexdigest()


def load_stored(
    wanted: Iterable[tuple[str, datetime]],
    params: GreeksParams,
    *,
    nearest: int | None = None,
    until: date | None = None,
) -> StoredChains | None:
    """Load the chains of underlyings at instants, each pair named once, in a few statements an instant.

    `nearest`: only so many expiries of each; `until`: only those up to that date. What is found of an expiry depends on
    the earlier ones, by the gates of the smile, and on no later one. An underlying without a price that is young enough
    is left out; None if that leaves nothing.
    """
    parts = list(_load(wanted, params, nearest, until))
    return _join(parts) if parts else None


def load_slabs(
    wanted: Iterable[tuple[str, datetime]], params: GreeksParams, *, nearest: int | None, most_options: int
) -> Iterator[StoredChains]:
    """Yield the same in slabs: an instant that would make a slab of more options begins the next one."""
    parts, options = list[_Part](), 0
    for part in _load(wanted, params, nearest, None):
        own = len(part.snapshot.options.strike)
        if parts and options + own > most_options:
            yield _join(parts)
            parts, options = [], 0
        parts.append(part)
        options += own
    if parts:
        yield _join(parts)


class _Part(NamedTuple):
    """The chains of one instant."""

    as_of: datetime
    keys: list[str]
    snapshot: ChainSnapshot
    interest: InterestColumns


def _load(
    wanted: Iterable[tuple[str, datetime]], params: GreeksParams, nearest: int | None, until: date | None
) -> Iterator[_Part]:
    by_instant: dict[datetime, list[str]] = defaultdict(list)
    for underlying, as_of in wanted:
        by_instant[as_of].append(underlying)
    for as_of, underlyings in sorted(by_instant.items()):
        groups = _chosen(quoted_groups(underlyings, as_of, params.max_quote_age_seconds), nearest, until)
        if groups:
            snapshot, interest = _with_interest(load_chains(groups, as_of, params), groups, as_of)
            yield _Part(as_of, sorted({key for key, _ in groups}), snapshot, interest)


def _join(parts: Sequence[_Part]) -> StoredChains:
    keys = [key for part in parts for key in part.keys]
    names = [each.name for each in fields(InterestColumns)]
    return StoredChains(
        snapshot=join_snapshots([part.snapshot for part in parts]),
        keys=keys,
        instants=[part.as_of for part in parts for _ in part.keys],
        black76=_black76(keys),
        interest=InterestColumns(
            **{name: np.concatenate([getattr(part.interest, name) for part in parts]) for name in names}
        ),
    )


def quoted_groups(underlyings: Sequence[str], as_of: datetime, max_age_seconds: float) -> list[ExpiryGroup]:
    """Return the expiries that are not over at `as_of` and of which an option has a price at most so old.

    They are ordered by underlying and date.
    """
    keys = sorted(set(underlyings))
    todays = [local_date(exchange_of(key), as_of) for key in keys]
    values = {"underlyings": keys, "todays": todays, "as_of": as_of}
    return sorted(binary_rows(_EXPIRIES, {**values, "oldest": as_of - timedelta(seconds=max_age_seconds)}))


def _chosen(groups: Sequence[ExpiryGroup], nearest: int | None, until: date | None) -> list[ExpiryGroup]:
    taken: dict[str, int] = defaultdict(int)
    chosen = list[ExpiryGroup]()
    for underlying, day in groups:
        if (until is None or day <= until) and (nearest is None or taken[underlying] < nearest):
            taken[underlying] += 1
            chosen.append((underlying, day))
    return chosen


def _with_interest(
    snapshot: ChainSnapshot, groups: Sequence[ExpiryGroup], as_of: datetime
) -> tuple[ChainSnapshot, InterestColumns]:
    """Return the options that have been quoted, however long ago, and their open interest, as the live book has them.

    A listed option that was never quoted has no level. The session before is that before the newest open interest,
    which may be older than `as_of`: so on a Saturday the change is Friday's.
    """
    exchanges = [exchange_of(key) for key, _ in groups]
    values = {
        "underlyings": [key for key, _ in groups],
        "expiries": [day for _, day in groups],
        "exchanges": exchanges,
        "zones": [exchange_named(each).zone.key for each in exchanges],
        **interest_days(exchanges, as_of),
        "as_of": as_of,
        "oldest": as_of - LONGEST_BREAK,
    }
    found = binary_columns(_INTEREST, values, _INTEREST_TYPES)
    options = snapshot.options
    terms = zip(found["place"].tolist(), found["strike"].tolist(), found["sign"].tolist(), strict=True)
    place = {each: at for at, each in enumerate(terms)}
    wanted = zip(options.group.tolist(), options.strike.tolist(), options.sign.tolist(), strict=True)
    rows = np.array([place.get(each, -1) for each in wanted], np.intp)  # -1: listed between the two statements
    chosen = np.append(found["quoted"], 0.0)[rows] > 0
    kept = rows[chosen]
    quotes = QuoteColumns(**{name: getattr(options.quotes, name)[chosen] for name in QuoteColumns.__slots__})
    chain = ChainColumns(
        group=options.group[chosen], sign=options.sign[chosen], strike=options.strike[chosen], quotes=quotes
    )
    columns = {each.name: found[each.name][kept] for each in fields(InterestColumns)}
    return replace(snapshot, options=chain), InterestColumns(**columns)


def _black76(keys: Sequence[str]) -> np.ndarray:
    model = Underlying.PricingModel.BLACK76
    known = dict(Underlying.objects.filter(key__in=set(keys)).values_list("key", "pricing_model"))
    return np.array([known[key] == model if key in known else unregistered(key)[0] for key in keys], bool)


_UNDERLYINGS = """
SELECT u.key FROM signals_underlying u
WHERE (u.key = %(underlying)s OR (%(underlying)s::text IS NULL AND u.exchange = %(exchange)s)) AND EXISTS (
    SELECT FROM signals_instrument i
    WHERE i.underlying_id = u.key AND i."right" <> '' AND (%(from)s::date IS NULL OR i.expiry >= %(from)s)
)
ORDER BY u.key
"""
_NEWEST = """
SELECT max(q.time) FROM signals_instrument i
CROSS JOIN LATERAL (SELECT time FROM timeframes_quote WHERE instrument_key = i.key ORDER BY time DESC LIMIT 1) q
WHERE i.underlying_id = ANY(%(keys)s::text[]) AND i."right" <> ''
"""


def underlyings_of(*, underlying: str | None, exchange: str | None, expiring_from: date | None = None) -> list[str]:
    """Return the underlyings with options: one, or all of an exchange; with an expiry from that date on."""
    values = {"underlying": underlying, "exchange": exchange, "from": expiring_from}
    return [key for (key,) in binary_rows(_UNDERLYINGS, values)]


def newest_option_quote(underlyings: Sequence[str]) -> datetime | None:
    """Return the time of the newest quote of these underlyings' options, or of their newest bar where none has any."""
    found: datetime | None = binary_rows(_NEWEST, {"keys": list(underlyings)})[0][0]
    return found
