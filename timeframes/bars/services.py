"""Writes bars."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg.adapt import PyFormat, Transformer

from timeframes.bars.models import Bar
from timeframes.bulk import write_rows
from timeframes.core.bars import BarColumns
from timeframes.core.binary_copy import Column, copied_rows, field
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import format_timeframe

_NUMBERS = {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume", "vwap": "vwap"} | {
    "oi": "open_interest",
    "trades": "trades",
}
"""Column of the table -> name in BarColumns."""
_OF_THE_KEY = ("instrument_key", "interval", "source", "expiry_date", "option_type", "strikeprice")
# One look at the index for each instrument: is anything stored of it between its first and last new bar?
_STORED = """
SELECT EXISTS (
    SELECT 1 FROM unnest(%(keys)s::text[], %(first)s::int8[], %(last)s::int8[]) AS new(key, first, last)
    CROSS JOIN LATERAL (
        SELECT 1 FROM historical_data h WHERE h.instrument_key = new.key AND h.interval = %(interval)s
        AND h.time BETWEEN to_timestamp(new.first / 1e6) - interval '1 millisecond'
                   AND to_timestamp(new.last / 1e6) + interval '1 millisecond'
        LIMIT 1
    ) AS found
)
"""


def record_bars(instrument_key: str, seconds: int, bars: BarColumns, *, source: str) -> int:
    """Store bars of one instrument: see `record_bar_columns`."""
    return record_bar_columns([instrument_key], np.zeros(len(bars), np.int64), seconds, bars, source=source)


def record_bar_columns(
    keys: Sequence[str], place: NDArray[np.int64], seconds: int, bars: BarColumns, *, source: str
) -> int:
    """Store bars of `seconds` each and return how many were new or changed.

    Bar i is of `keys[place[i]]`; no two have the same instrument and time. Safe to repeat: a stored bar of the same
    instrument, timeframe and time is replaced, wherever it came from. An equal one of the same source is not written.
    Runs in one transaction, or in the caller's.
    """
    if not len(bars):
        return 0
    rank = np.argsort(
        np.argsort(np.array(keys))
    )  # the order of the primary key: neighbours go to one page of the index
    order = np.lexsort((bars.time, rank[place]))
    bars, place = bars.take(order), place[order]
    interval = format_timeframe(seconds)
    columns: list[Column] = [(bars.time, "timestamptz")]
    columns += [(getattr(bars, name), "int8" if name == "trades" else "float8") for name in _NUMBERS.values()]
    return write_rows(
        Bar,
        (*_OF_THE_KEY, "time", *_NUMBERS),
        list(copied_rows([_beginning(key, interval, source) for key in keys], len(_OF_THE_KEY), place, columns)),
        len(bars),
        key=("instrument_key", "interval", "time"),
        compared=(*_NUMBERS, "source"),  # equal numbers of another source are its own from now on
        replaced=(),
        new=not _any_stored(keys, place, interval, bars.time),
    )


def _beginning(instrument_key: str, interval: str, source: str) -> bytes:
    """Return the fields of a row that depend on its instrument only."""
    key = parse_key(instrument_key)
    texts = [field(text.encode()) for text in (instrument_key, interval, source)]
    right = field(str(key.right).encode() or None)
    return b"".join([*texts, _binary(key.expiry), right, _binary(key.strike)])


def _binary(value: date | Decimal | None) -> bytes:
    if value is None:
        return field(None)
    dumped = Transformer().get_dumper(value, PyFormat.BINARY).dump(value)
    return field(None if dumped is None else bytes(dumped))


def _any_stored(keys: Sequence[str], place: NDArray[np.int64], interval: str, time: NDArray[np.int64]) -> bool:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(place)) + 1])
    ends = np.concatenate([starts[1:], [len(place)]]) - 1
    wanted = {
        "keys": [keys[at] for at in place[starts].tolist()],
        "first": time[starts].tolist(),
        "last": time[ends].tolist(),
        "interval": interval,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORED, wanted)
        return bool(cursor.fetchone()[0])
