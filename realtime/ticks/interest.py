"""Look up what ticks do not say: the open interest at the end of the session before."""

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from moneyness.interest_sql import OF_BARS, OF_QUOTES, interest_day
from realtime.ticks.core.book import Book, Rows
from signalsite.foundation.rows import binary_columns
from timeframes.core.sessions import local_date

QUARTER = 900  # seconds: days begin at whole quarters of an hour in every zone
_BEFORE = f"""
SELECT w.place, coalesce(p.interest, pb.interest)
FROM unnest(%(keys)s::text[], %(befores)s::timestamptz[], %(midnights)s::timestamptz[])
     WITH ORDINALITY AS w(key, before, midnight, place)
LEFT JOIN signals_instrument i ON i.key = w.key
{OF_QUOTES.format(name="p", until="w.midnight", after="w.before")}
{OF_BARS.format(name="pb", until="w.midnight", after="w.before", unless="p.time")}
ORDER BY w.place
"""


def look_up_interest(book: Book, *, ticked: bool = True) -> int:
    """Fill in the open interest of the session before for all options that lack it, and return how many they are.

    The session before is that before the day, at the exchange, of the newest open interest. What is not stored is NaN
    until that day is over. One query. `ticked`: only for chains that have ticked since their last evaluation.
    """
    chains = [chain for chain in book.underlyings.values() if chain.expiries and (chain.ticked or not ticked)]
    rows = np.concatenate([np.empty(0, np.intp), *(book.without_interest_before(chain) for chain in chains)])
    if not len(rows):
        return 0
    befores, begins, ends = _days(book, rows)
    found = binary_columns(
        _BEFORE,
        {
            "keys": [book.contracts[row].text for row in rows.tolist()],
            "befores": [datetime.fromtimestamp(before, UTC) for before in befores.tolist()],
            "midnights": [datetime.fromtimestamp(begin, UTC) for begin in begins.tolist()],
        },
        {"place": int, "open_interest": float},
    )
    book.interest_before[rows] = found["open_interest"]
    book.before_from[rows], book.before_until[rows] = begins, ends
    return len(rows)


def _days(book: Book, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the session before, the beginning and the end of the days on which these rows' open interest was told."""
    exchanges = [book.contracts[row].key.exchange for row in rows.tolist()]
    quarters = (book.interest_time[rows] // QUARTER).astype(np.int64).tolist()
    bounds = [_day(exchange, quarter) for exchange, quarter in zip(exchanges, quarters, strict=True)]
    befores, begins, ends = np.array(bounds, np.float64).T
    return befores, begins, ends


@lru_cache(maxsize=4096)
def _day(exchange: str, quarter: int) -> tuple[float, float, float]:
    """Return the moments of the day that has a quarter of an hour, counted since 1970."""
    found = interest_day(exchange, local_date(exchange, datetime.fromtimestamp(quarter * QUARTER, UTC)))
    return found.before.timestamp(), found.begin.timestamp(), found.end.timestamp()
