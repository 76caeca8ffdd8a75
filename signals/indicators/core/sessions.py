"""The dates of bars' sessions, which averages by session count from."""

from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import SECOND, Anchor, instant, microseconds
from timeframes.core.sessions import local_date, session_open
from timeframes.core.timeframe import DAY, Months, Timeframe

_HOUR, _DAY = 3600 * SECOND, 86_400 * SECOND


def session_days(time: NDArray[np.int64], exchange: str, anchor: Anchor) -> NDArray[np.int64]:
    """Return the dates of bars that begin at these times, as days since 1970: the exchange's dates, or UTC's for anchor
    epoch."""
    if anchor is Anchor.EPOCH:
        return time // _DAY
    zone = exchange_named(exchange).zone
    hours, place = np.unique(time // _HOUR, return_inverse=True)
    offsets = [
        moment.replace(tzinfo=UTC) - moment.astimezone(UTC)
        for moment in (instant(int(hour) * _HOUR).astimezone(zone) for hour in hours.tolist())
    ]
    shift = np.array([each.total_seconds() * SECOND for each in offsets], np.int64)
    return (time + shift[place]) // _DAY


def date_begin(time: int, exchange: str, timeframe: Timeframe, anchor: Anchor) -> int:
    """Return the beginning of the date of the bar that begins at this time; of a bar of days or longer, its own.

    All bars of a date are computed in one run, from as much history before the date as they need: so their values do
    not depend on when somebody asks, to the last digit.
    """
    if isinstance(timeframe, Months) or timeframe >= DAY:
        return time
    if anchor is Anchor.EPOCH:
        return time // _DAY * _DAY
    return microseconds(session_open(exchange, local_date(exchange, instant(time))))
