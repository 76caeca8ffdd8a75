"""The dates of bars' sessions, which averages by session count from."""

from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import SECOND, Anchor, instant

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
