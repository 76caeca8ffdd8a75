"""Options that are in no table. Their terms are those of their keys, and their market is that of their underlying."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from signals.instruments.core.terms import OptionTerms, option_terms
from signals.instruments.core.underlyings import american_by_default
from signalsite.foundation.rows import binary_rows

_PRICING = """
SELECT key, (pricing_model = 'black76')::int4, (exercise = 'american')::int4, dividend_yield FROM signals_underlying
WHERE key = ANY(%(keys)s::text[])
"""
_NEWEST_AROUND = """
SELECT max(q.time) FROM signals_instrument i
CROSS JOIN LATERAL (SELECT time FROM timeframes_quote WHERE instrument_key = i.key ORDER BY time DESC LIMIT 1) q
WHERE i.underlying_id = ANY(%(underlyings)s::text[])
AND (i.right = '' OR (i.underlying_id, i.expiry) IN (
    SELECT * FROM unnest(%(underlyings)s::text[], %(expiries)s::date[])
))
"""


def fill_in(keys: Sequence[str], found: dict[str, Any]) -> frozenset[int]:
    """Give the options that the tables lack their terms, in place, and return which these are.

    An underlying that the tables have gives its pricing model, exercise and yield. Any other counts as a new one is
    registered.
    """
    unlisted: dict[int, OptionTerms] = {}
    for place, product in enumerate(found["product"]):
        if product is None and (terms := option_terms(keys[place])):
            unlisted[place] = terms
    if not unlisted:
        return frozenset()
    names = sorted({terms.underlying for terms in unlisted.values()})
    pricing = {key: own for key, *own in binary_rows(_PRICING, {"keys": names})}
    for place, terms in unlisted.items():
        for name in ("underlying", "expiry", "product", "sign", "strike", "expires_at"):
            found[name][place] = getattr(terms, name)
        own = pricing.get(terms.underlying) or unregistered(terms.underlying)
        found["black76"][place], found["american"][place], found["dividend_yield"][place] = own
    return frozenset(unlisted)


def unregistered(underlying: str) -> tuple[bool, bool, float]:
    """Return whether a new underlying is priced by Black-76, whether its options are American, and its yield."""
    exchange, _, symbol = underlying.rpartition("@")
    return False, american_by_default(exchange, symbol), 0.0


def newest_quote_around(groups: Collection[tuple[str, date]]) -> datetime | None:
    """Return the time of the newest quote of these expiries' options, or of their underlyings' futures and spot."""
    underlyings, expiries = [group[0] for group in groups], [group[1] for group in groups]
    newest: datetime | None = binary_rows(_NEWEST_AROUND, {"underlyings": underlyings, "expiries": expiries})[0][0]
    return newest
