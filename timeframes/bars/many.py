"""Bars of many instruments at once, on one grid: what a chain needs, in two statements for all of them."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.bars.folding import ENTRY_ORDER
from timeframes.bars.parts import known_at
from timeframes.core.bars import NUMBERS, BarColumns, FoldedBars, TickColumns, join_folded
from timeframes.core.fold import fits, fold
from timeframes.core.grid import Grid, instant
from timeframes.core.timeframe import parse_timeframe

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
SELECT wanted.place - 1, {_MICROSECONDS.format("h")}, h.open, h.high, h.low, h.close, h.volume, h.vwap, h.oi, h.trades
FROM unnest(%(keys)s::text[], %(intervals)s::text[]) WITH ORDINALITY AS wanted(key, interval, place)
JOIN historical_data h ON h.instrument_key = wanted.key AND h.interval = wanted.interval
    AND h.time >= %(first)s AND h.time < %(end)s
ORDER BY wanted.place, h.time
"""
_TICKS = f"""
SELECT wanted.place - 1, {_MICROSECONDS.format("t")}, t.ltp, t.volume, t.open_interest
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
JOIN ticks t ON t.instrument_key = wanted.key AND t.suspect = '' AND t.time >= %(first)s AND t.time <= %(end)s
ORDER BY wanted.place, {ENTRY_ORDER}
"""


def load_folded(keys: Sequence[str], grid: Grid, until: datetime) -> list[FoldedBars]:
    """Return the bars of each instrument in the grid, as they were known at `until`; none where nothing is stored.

    The bars are those that `timeframes.core.fold` makes of what `load_parts` reads.
    """
    if not len(grid) or not keys:
        return [join_folded([]) for _ in keys]
    begin, end = instant(int(grid.begins[0])), instant(int(grid.ends[-1]))
    span = {"first": begin, "end": end}
    stored: list[tuple[int, str]] = binary_rows(_LENGTHS, {"keys": list(keys), **span})
    wanted = [(place, interval) for place, interval in stored if interval and fits(_seconds(interval), grid)]
    bars = _bars(keys, wanted, grid, until, span)
    ticks = _ticks(keys, [place for place, interval in stored if not interval], {**span, "end": min(end, until)})
    return [
        fold(bars.get(place, {}), ticks.get(place), grid) if place in bars or place in ticks else join_folded([])
        for place in range(len(keys))
    ]


def _bars(
    keys: Sequence[str],
    wanted: Sequence[tuple[int, str]],
    grid: Grid,
    until: datetime,
    span: dict[str, datetime],
) -> dict[int, dict[int, BarColumns]]:
    if not wanted:
        return {}
    found = binary_columns(
        _BARS,
        {"keys": [keys[place] for place, _ in wanted], "intervals": [interval for _, interval in wanted], **span},
        {"place": int, "time": int} | dict.fromkeys(NUMBERS, float),
    )
    bounds = np.searchsorted(found.pop("place"), np.arange(len(wanted) + 1)).tolist()
    everything = BarColumns(**found)
    by_key: dict[int, dict[int, BarColumns]] = {}
    for number, (place, interval) in enumerate(wanted):
        seconds = _seconds(interval)
        own = everything.take(slice(bounds[number], bounds[number + 1]))
        by_key.setdefault(place, {})[seconds] = known_at(own, grid, seconds, until)
    return by_key


def _ticks(keys: Sequence[str], places: Sequence[int], span: dict[str, datetime]) -> dict[int, TickColumns]:
    if not places:
        return {}
    found = binary_columns(
        _TICKS,
        {"keys": [keys[place] for place in places], **span},
        {"place": int, "time": int} | dict.fromkeys(("price", "volume", "open_interest"), float),
    )
    bounds = np.searchsorted(found.pop("place"), np.arange(len(places) + 1)).tolist()
    return {
        place: TickColumns(**{name: column[bounds[number] : bounds[number + 1]] for name, column in found.items()})
        for number, place in enumerate(places)
    }


def _seconds(interval: str) -> int:
    seconds = parse_timeframe(interval)
    assert isinstance(seconds, int)  # record_bars stores no other
    return seconds
