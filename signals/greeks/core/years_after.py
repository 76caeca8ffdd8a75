"""Time to expiry as days pass."""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np

from signals.greeks.core.conventions import DAYS_PER_YEAR, DayCount, expiry_years
from timeframes.core.sessions import local_date


def years_after(
    day_count: DayCount,
    *,
    as_of: datetime,
    days_forward: np.ndarray,
    expires_at: np.ndarray,
    expiry: Sequence[date | None],
    exchange: Sequence[str],
    base_years: np.ndarray,
    given: np.ndarray | bool = False,
) -> np.ndarray:
    """Return T of each row `days_forward` days after `as_of`, 0 at or past expiry. `base_years` is T at `as_of`.

    Exact time shortens evenly, and so does a caller's own (`given`), which no calendar knows. Calendar days change at
    the exchange's midnight.
    """
    evenly = np.asarray(np.maximum(base_years - days_forward / DAYS_PER_YEAR, 0.0))
    own = np.broadcast_to(given, evenly.shape)
    if day_count is DayCount.EXACT or own.all():
        return evenly
    rows = list(zip(exchange, days_forward.tolist(), strict=True))
    counted = {row for row, is_own in zip(rows, own.tolist(), strict=True) if not is_own}
    today = {row: local_date(row[0], as_of + timedelta(days=row[1])) for row in counted}
    days = np.array(
        [
            math.nan if end is None or row not in today else (end - today[row]).days
            for row, end in zip(rows, expiry, strict=True)
        ]
    )
    seconds = expires_at - as_of.timestamp() - days_forward * 86_400.0
    return np.where(own, evenly, np.maximum(expiry_years(day_count, seconds, days), 0.0))
