"""Bars that a stand-in for the Subscription Manager serves: a random walk that its key and date decide."""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import numpy as np

from timeframes.core.grid import SECOND, dates_of, default_anchor, instant, make_grid, microseconds
from timeframes.core.keys import parse_key
from timeframes.core.sessions import is_session
from timeframes.core.timeframe import DAY

Row = dict[str, str | float]


def simulated_bars(key: str, seconds: int, begin: datetime, end: datetime) -> Iterator[Row]:
    """Yield the bars that begin in [begin, end) of the sessions of the key's exchange. The same call gives the same.

    `seconds`: a minute to a day. Raises InvalidInput for a key that is none.
    """
    exchange = parse_key(key).exchange
    first, last = dates_of(exchange, default_anchor(exchange), begin, end)
    grid = make_grid(exchange, DAY, default_anchor(exchange), first, last)
    low, high = microseconds(begin), microseconds(end)
    for number, (opens, closes) in enumerate(zip(grid.begins.tolist(), grid.ends.tolist(), strict=True)):
        day = first + timedelta(days=number)
        if is_session(exchange, day):
            yield from (row for time, row in _session(key, day, opens, closes, seconds) if low <= time < high)


def _session(key: str, day: date, opens: int, closes: int, seconds: int) -> Iterator[tuple[int, Row]]:
    digest = hashlib.blake2b(f"{key} {day.isoformat()}".encode(), digest_size=8).digest()
    random = np.random.default_rng(int.from_bytes(digest))
    minutes = (closes - opens) // (60 * SECOND)
    level = 100.0 + int.from_bytes(hashlib.blake2b(key.encode(), digest_size=2).digest())
    walk = np.round(level * np.exp(np.cumsum(random.normal(0, 0.0005, minutes + 1))), 2)
    volume = random.integers(0, 1000, minutes)
    step = max(seconds // 60, 1)
    for at in range(0, minutes, step):
        part = walk[at : at + step + 1]
        time = opens + at * 60 * SECOND
        yield (
            time,
            {
                "datetime": instant(time).isoformat(),
                "open": float(part[0]),
                "high": float(part.max()),
                "low": float(part.min()),
                "close": float(part[-1]),
                "volume": float(volume[at : at + step].sum()),
            },
        )
