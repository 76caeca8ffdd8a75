"""Writes bars."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
from psycopg import sql

from signalsite.foundation.staging import upsert
from timeframes.bars.models import Bar
from timeframes.core.bars import BarColumns
from timeframes.core.grid import instant
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import format_timeframe

_NUMBERS = {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume", "vwap": "vwap"} | {
    "oi": "open_interest",
    "trades": "trades",
}
"""Column of the table -> name in BarColumns."""
_COLUMNS = (
    {"instrument_key": "text", "interval": "text", "time": "timestamptz", "source": "text"}
    | {"expiry_date": "date", "option_type": "text", "strikeprice": "numeric"}
    | dict.fromkeys(_NUMBERS, "float8")
    | {"trades": "int8"}
)
_CHANGED = ("source", *_NUMBERS)
# Equal rows are not written, so importing a file again writes nothing.
_UPDATE = sql.SQL(
    f"SET {', '.join(f'{name} = EXCLUDED.{name}' for name in _CHANGED)}"
    f" WHERE ({', '.join(f'stored.{name}' for name in _CHANGED[1:])})"
    f" IS DISTINCT FROM ({', '.join(f'EXCLUDED.{name}' for name in _CHANGED[1:])})"
)


def record_bars(instrument_key: str, seconds: int, bars: BarColumns, *, source: str) -> int:
    """Store bars of `seconds` each and return how many were new or changed. No two may have the same time.

    Safe to repeat: a stored bar of the same instrument, timeframe and time is replaced, wherever it came from. Runs in
    one transaction, or in the caller's.
    """
    return upsert(
        Bar,
        _COLUMNS,
        _rows(instrument_key, seconds, bars, source),
        key=("instrument_key", "interval", "time"),
        update=_UPDATE,
    )


def _rows(instrument_key: str, seconds: int, bars: BarColumns, source: str) -> Iterator[tuple[Any, ...]]:
    key = parse_key(instrument_key)
    numbers = [_known(getattr(bars, name), whole=name == "trades") for name in _NUMBERS.values()]
    same = (key.expiry, str(key.right) or None, key.strike)
    interval = format_timeframe(seconds)
    times = map(instant, bars.time.tolist())
    return (
        (instrument_key, interval, time, source, *same, *values)
        for time, values in zip(times, zip(*numbers, strict=True), strict=True)
    )


def _known(column: np.ndarray, *, whole: bool) -> Iterator[float | None]:
    values = column.tolist()
    if np.isnan(column).all():
        return repeat(None, len(values))
    return (None if value != value else int(value) if whole else value for value in values)
