"""What of an underlying's options had a price at an instant, and the open interest that came with it."""

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np

from signals.greeks.newest_quote import NEWEST_QUOTE, window_of
from signals.greeks.selectors import exchange_of
from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.core.sessions import local_date

# One option of an expiry with a price is enough: the search ends at the first.
_QUOTED_EXPIRIES = f"""
SELECT e.expiry FROM (
    SELECT DISTINCT expiry FROM signals_instrument
    WHERE underlying_id = %(underlying)s AND "right" <> '' AND expiry >= %(today)s
) e
WHERE EXISTS (
    SELECT FROM signals_instrument i
    {NEWEST_QUOTE.format(key="i.key")}
    WHERE i.underlying_id = %(underlying)s AND i.expiry = e.expiry AND i.right <> ''
      AND coalesce(q.time, qb.time) IS NOT NULL
)
"""
_INTERESTS = """
SELECT coalesce(q.open_interest, 'NaN')
FROM unnest(%(keys)s::text[], %(times)s::float8[]) WITH ORDINALITY AS wanted(key, time, place)
LEFT JOIN timeframes_quote q ON q.instrument_key = wanted.key AND q.time = to_timestamp(wanted.time)
ORDER BY wanted.place
"""


def quoted_expiries(underlying: str, as_of: datetime, max_age_seconds: float) -> set[date]:
    """Return the expiries from the date of `as_of` on of which an option has a price at most so old."""
    today = local_date(exchange_of(underlying), as_of)
    values = {"underlying": underlying, "today": today, **window_of(as_of, max_age_seconds)}
    return {expiry for (expiry,) in binary_rows(_QUOTED_EXPIRIES, values)}


def load_interests(keys: Sequence[str], times: np.ndarray) -> np.ndarray:
    """Return the open interest that the quotes of these keys and times (seconds since 1970) give, NaN for none."""
    wanted = {"keys": list(keys), "times": times.tolist()}
    found: np.ndarray = binary_columns(_INTERESTS, wanted, {"interest": float})["interest"]
    return found
