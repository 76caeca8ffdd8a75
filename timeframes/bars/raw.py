"""Reads stored bars as they are, on the grid of their timeframe or not, for checks."""

from datetime import datetime

from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_columns
from timeframes.core.bars import NUMBERS, BarColumns
from timeframes.core.timeframe import format_timeframe

MOST = 5_000_000
"""Bars in memory, some 80 bytes each."""
_LOAD = """
SELECT round(date_part('epoch', time) * 1000000)::int8, open, high, low, close, volume, vwap, oi, trades
FROM historical_data
WHERE instrument_key = %(key)s AND interval = %(interval)s
AND (%(start)s::timestamptz IS NULL OR time >= %(start)s) AND (%(end)s::timestamptz IS NULL OR time < %(end)s)
ORDER BY time LIMIT %(most)s
"""


def load_raw_bars(key: str, seconds: int, start: datetime | None, end: datetime | None) -> BarColumns:
    """Return all stored bars of a timeframe that begin in [start, end). Raises InvalidInput for more than MOST."""
    wanted = {"key": key, "interval": format_timeframe(seconds), "start": start, "end": end, "most": MOST + 1}
    found = BarColumns(**binary_columns(_LOAD, wanted, {"time": int} | dict.fromkeys(NUMBERS, float)))
    if len(found) > MOST:
        raise InvalidInput("start", f"over {MOST:,} bars: check a shorter range with --start and --end")
    return found
