"""Writes many quotes from columns."""

from collections.abc import Mapping, Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from timeframes.bulk import write_rows
from timeframes.core.binary_copy import Column, copied_rows, field
from timeframes.core.quotes import NUMBER_COLUMNS
from timeframes.quotes.models import Quote

# One look at the index for each instrument: is anything stored of it between its first and last new quote?
_STORED = """
SELECT EXISTS (
    SELECT 1 FROM unnest(%(keys)s::text[], %(first)s::int8[], %(last)s::int8[]) AS new(key, first, last)
    CROSS JOIN LATERAL (
        SELECT 1 FROM timeframes_quote q WHERE q.instrument_key = new.key
        AND q.time BETWEEN to_timestamp(new.first / 1e6) - interval '1 millisecond'
                   AND to_timestamp(new.last / 1e6) + interval '1 millisecond'
        LIMIT 1
    ) AS found
)
"""


def record_quote_columns(
    keys: Sequence[str],
    place: NDArray[np.int64],
    time: NDArray[np.int64],
    source: str,
    numbers: Mapping[str, NDArray[np.float64]],
) -> int:
    """Store quotes and return how many rows were new or changed. An equal quote is not written again.

    Row i is of `keys[place[i]]` at `time[i]` microseconds since 1970; no two rows share both. `numbers`: by the columns
    of Quote that the source gives, NaN for null. A stored quote keeps the other columns. Runs in one transaction, or in
    the caller's.
    """
    if unknown := numbers.keys() - set(NUMBER_COLUMNS):
        raise ValueError(f"a quote has no {', '.join(sorted(unknown))}")
    if not len(place):
        return 0
    # The order of the primary key (keys are ASCII): neighbours go to one page of the index.
    rank = np.argsort(np.argsort(np.array(keys)))
    order = np.lexsort((time, rank[place]))
    place, time = place[order], time[order]
    columns: list[Column] = [(time, "timestamptz"), *((column[order], "float8") for column in numbers.values())]
    beginnings = [field(key.encode()) + field(source.encode()) for key in keys]
    return write_rows(
        Quote,
        ("instrument_key", "source", "time", *numbers),
        list(copied_rows(beginnings, 2, place, columns)),
        len(place),
        key=("instrument_key", "time"),
        compared=("source", *numbers),
        replaced=(),
        new=not _any_stored(keys, place, time),
    )


def _any_stored(keys: Sequence[str], place: NDArray[np.int64], time: NDArray[np.int64]) -> bool:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(place)) + 1])
    ends = np.concatenate([starts[1:], [len(place)]]) - 1
    wanted = {
        "keys": [keys[at] for at in place[starts].tolist()],
        "first": time[starts].tolist(),
        "last": time[ends].tolist(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORED, wanted)
        return bool(cursor.fetchone()[0])
