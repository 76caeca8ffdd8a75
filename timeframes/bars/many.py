"""Prices and volumes of the bars of many instruments, on one grid: a chain in two statements and one fold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.bars.folding import ENTRY_ORDER
from timeframes.bars.parts import known_at
from timeframes.core.bars import NUMBERS, BarColumns, FoldedBars, TickColumns, join_folded
from timeframes.core.fold import fits, fold
from timeframes.core.grid import SECOND, Grid, Instants, instant
from timeframes.core.timeframe import DAY, parse_timeframe

# A loose index scan for each instrument: a probe an interval, and one for ticks.
_LENGTHS = """
SELECT wanted.place - 1, found.interval
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place) CROSS JOIN LATERAL (
    WITH RECURSIVE one(interval) AS (
        (SELECT h.interval FROM historical_data h WHERE h.instrument_key = wanted.key ORDER BY h.interval LIMIT 1)
        UNION ALL
        SELECT (SELECT h.interval FROM historical_data h
                WHERE h.instrument_key = wanted.key AND h.interval > one.interval ORDER BY h.interval LIMIT 1)
        FROM one WHERE one.interval IS NOT NULL
    )
    SELECT interval FROM one WHERE interval IS NOT NULL
    UNION ALL
    SELECT '' WHERE EXISTS (SELECT FROM ticks t WHERE t.instrument_key = wanted.key
                            AND t.time >= %(first)s AND t.time <= %(end)s)
) found
"""
_MICROSECONDS = "round(date_part('epoch', {0}.time) * 1000000)::int8"
_BARS = f"""
SELECT wanted.place, wanted.seconds, {_MICROSECONDS.format("h")}, h.open, h.high, h.low, h.close, h.volume
FROM unnest(%(places)s::int8[], %(keys)s::text[], %(intervals)s::text[], %(seconds)s::int8[])
     AS wanted(place, key, interval, seconds)
JOIN historical_data h ON h.instrument_key = wanted.key AND h.interval = wanted.interval
    AND h.time >= %(first)s AND h.time < %(end)s
ORDER BY wanted.place, h.time
"""
_TICKS = f"""
SELECT wanted.place, {_MICROSECONDS.format("t")}, t.ltp, t.volume
FROM unnest(%(places)s::int8[], %(keys)s::text[]) AS wanted(place, key)
JOIN ticks t ON t.instrument_key = wanted.key AND t.suspect = '' AND t.time >= %(first)s AND t.time <= %(end)s
ORDER BY wanted.place, {ENTRY_ORDER}
"""
_PRICES = ("open", "high", "low", "close", "volume")
_OTHERS = tuple(name for name in NUMBERS if name not in _PRICES)


def load_prices(keys: Sequence[str], grid: Grid, until: datetime) -> list[FoldedBars]:
    """Return prices and volume of each instrument's bars in the grid, as they were known at `until`.

    They are those that `timeframes.core.fold` makes of what `load_parts` reads; the other numbers are NaN. There are no
    bars where nothing fits.
    """
    if not len(grid) or not keys:
        return [join_folded([]) for _ in keys]
    begin, end = instant(int(grid.begins[0])), instant(int(grid.ends[-1]))
    stored: list[tuple[int, str]] = binary_rows(_LENGTHS, {"keys": list(keys), "first": begin, "end": end})
    wanted = [(place, interval) for place, interval in stored if interval and fits(_seconds(interval), grid)]
    ticking = [place for place, interval in stored if not interval]
    # Instruments follow each other on one axis of time, far enough apart, so one fold does for all.
    apart = int(grid.ends[-1] - grid.begins[0]) + 2 * DAY * SECOND
    bars = _bars(keys, wanted, grid, apart, until, {"first": begin, "end": end})
    ticks = _ticks(keys, ticking, apart, {"first": begin, "end": min(end, until)}) if ticking else None
    folded = fold(bars, ticks, _repeated(grid, len(keys), apart))
    earliest = int(min(grid.begins[0], grid.label[0])) - DAY * SECOND  # an epoch's bar begins before its stretch
    bounds = np.searchsorted(folded.time, earliest + np.arange(len(keys) + 1) * apart).tolist()
    nothing = np.full(len(folded), np.nan)
    everything = replace(folded, **dict.fromkeys(_OTHERS, nothing))
    parts = [everything.take(slice(bounds[place], bounds[place + 1])) for place in range(len(keys))]
    return [replace(part, time=part.time - place * apart) for place, part in enumerate(parts)]


def _repeated(grid: Grid, times: int, apart: int) -> Grid:
    shift = np.repeat(np.arange(times) * apart, len(grid))

    def tiled(column: Instants) -> Instants:
        return np.tile(column, times) + shift if len(column) else column

    return replace(
        grid,
        begins=tiled(grid.begins),
        ends=tiled(grid.ends),
        origin=tiled(grid.origin),
        label=tiled(grid.label),
        block_ends=tiled(grid.block_ends),
    )


def _bars(
    keys: Sequence[str],
    wanted: Sequence[tuple[int, str]],
    grid: Grid,
    apart: int,
    until: datetime,
    span: dict[str, datetime],
) -> dict[int, BarColumns]:
    """Return the stored bars by their seconds."""
    lists = {
        "places": [place for place, _ in wanted],
        "keys": [keys[place] for place, _ in wanted],
        "intervals": [interval for _, interval in wanted],
        "seconds": [_seconds(interval) for _, interval in wanted],
    }
    types = {"place": int, "seconds": int, "time": int} | dict.fromkeys(_PRICES, float)
    found = binary_columns(_BARS, {**lists, **span}, types)
    place, length = found.pop("place"), found.pop("seconds")
    by_seconds = {}
    for seconds in np.unique(length).tolist():
        rows = np.flatnonzero(length == seconds)
        nothing = np.full(len(rows), np.nan)
        columns = {name: column[rows] for name, column in found.items()} | dict.fromkeys(_OTHERS, nothing)
        # The place goes with each bar as if it were a number of it.
        known = known_at(BarColumns(**columns | {"trades": place[rows].astype(np.float64)}), grid, seconds, until)
        shifted = known.time + known.trades.astype(np.int64) * apart
        by_seconds[seconds] = replace(known, time=shifted, trades=np.full(len(known), np.nan))
    return by_seconds


def _ticks(keys: Sequence[str], places: Sequence[int], apart: int, span: dict[str, datetime]) -> TickColumns:
    types = {"place": int, "time": int} | dict.fromkeys(("price", "volume"), float)
    found = binary_columns(_TICKS, {"places": list(places), "keys": [keys[place] for place in places], **span}, types)
    return TickColumns(
        time=found["time"] + found["place"] * apart,
        price=found["price"],
        volume=found["volume"],
        open_interest=np.full(len(found["time"]), np.nan),
    )


def _seconds(interval: str) -> int:
    seconds = parse_timeframe(interval)
    assert isinstance(seconds, int)  # record_bars stores no other
    return seconds
