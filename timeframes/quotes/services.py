"""Writes quotes."""

from datetime import datetime
from itertools import repeat
from math import isnan

from psycopg import sql

from signalsite.foundation.staging import upsert
from timeframes.core.quotes import QuoteRows
from timeframes.quotes.models import Quote


def record_quotes(columns: QuoteRows) -> int:
    """Store quotes and return how many (instrument, moment) pairs were written.

    Safe to repeat: a quote of the same instrument and moment is replaced in the columns that `columns` has. If several
    in one batch share them, the last wins. Runs in one transaction, or in the caller's.
    """
    numbers = columns.numbers
    times = repeat(columns.time) if isinstance(columns.time, datetime) else columns.time
    values = ([None if isnan(number) else number for number in column.tolist()] for column in numbers.values())
    rows = {row[:2]: row for row in zip(columns.instrument_key, times, repeat(columns.source), *values, strict=False)}
    upsert(
        Quote,
        {"instrument_key": "text", "time": "timestamptz", "source": "text"} | dict.fromkeys(numbers, "float8"),
        rows.values(),
        key=("instrument_key", "time"),
        update=sql.SQL("SET ")
        + sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(n)) for n in ("source", *numbers)),
    )
    return len(rows)
