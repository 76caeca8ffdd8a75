"""What of an underlying's options had a price at an instant, and the open interest that came with it."""

from datetime import date, datetime

from signals.greeks.newest_quote import NEWEST_QUOTE, window_of
from signals.greeks.selectors import exchange_of
from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.core.sessions import local_date

# One option of an expiry with a price is enough: LIMIT ends the search at the first.
_QUOTED_EXPIRIES = f"""
SELECT e.expiry FROM (
    SELECT DISTINCT expiry FROM signals_instrument
    WHERE underlying_id = %(underlying)s AND "right" <> '' AND expiry >= %(today)s
) e
CROSS JOIN LATERAL (
    SELECT FROM signals_instrument i
    {NEWEST_QUOTE.format(key="i.key")}
    WHERE i.underlying_id = %(underlying)s AND i.expiry = e.expiry AND i.right <> ''
      AND coalesce(q.time, qb.time) IS NOT NULL
    LIMIT 1
) one
"""
_LISTED = """
SELECT i.key, i.strike::float8, CASE i.right WHEN 'call' THEN 1.0 ELSE -1.0 END::float8, q.open_interest
FROM signals_instrument i
LEFT JOIN LATERAL (
    SELECT open_interest FROM timeframes_quote
    WHERE instrument_key = i.key AND time <= %(as_of)s AND time > %(oldest)s ORDER BY time DESC LIMIT 1
) q ON true
WHERE i.underlying_id = %(underlying)s AND i.expiry = %(expiry)s AND i.right <> ''
"""


def quoted_expiries(underlying: str, as_of: datetime, max_age_seconds: float) -> set[date]:
    """Return the expiries from the date of `as_of` on of which an option has a price at most so old."""
    today = local_date(exchange_of(underlying), as_of)
    values = {"underlying": underlying, "today": today, **window_of(as_of, max_age_seconds)}
    return {expiry for (expiry,) in binary_rows(_QUOTED_EXPIRIES, values)}


def listed_options(
    underlying: str, expiry: date, as_of: datetime, max_age_seconds: float
) -> dict[tuple[float, float], tuple[str, float]]:
    """Return key and open interest of the expiry's options, by strike and sign (+1 call, -1 put).

    Open interest is that of the newest quote at most so old, NaN for none.
    """
    types = {"key": str, "strike": float, "sign": float, "interest": float}
    found = binary_columns(
        _LISTED, {"underlying": underlying, "expiry": expiry, **window_of(as_of, max_age_seconds)}, types
    )
    terms = zip(found["strike"].tolist(), found["sign"].tolist(), strict=True)
    return dict(zip(terms, zip(found["key"], found["interest"].tolist(), strict=True), strict=True))
