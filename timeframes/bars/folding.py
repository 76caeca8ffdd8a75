"""The fold of `timeframes.core.fold` as one SQL statement, over stored bars and ticks.

For each stretch of the grid, the statement reads bars and ticks by their primary keys, which begin with the instrument
and (bars) the interval and hold the time. `date_bin` counts from the stretch's origin. The results are those of the
core's fold, row by row, but sums of floats, which may differ in their last digits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from signalsite.foundation.rows import binary_columns
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.fold import fits
from timeframes.core.grid import SECOND, Grid
from timeframes.core.timeframe import format_timeframe

# Arithmetic of whole microseconds: float8 holds them exactly until the year 2255.
_INSTANT = "timestamptz 'epoch' + {0} * interval '1 microsecond'"
_STRETCHES = f"""
stretch AS MATERIALIZED (
    SELECT {_INSTANT.format("s.begins")} AS begins, {_INSTANT.format("s.ends")} AS ends,
           {_INSTANT.format("s.origin")} AS origin, {_INSTANT.format("s.label")} AS label
    FROM unnest(%(begins)s::int8[], %(ends)s::int8[], %(origin)s::int8[], %(label)s::int8[])
         AS s(begins, ends, origin, label)
)"""
_BARS = """
SELECT h.time, 0::int8 AS place, h.open, h.high, h.low, h.close, h.volume, h.vwap, h.oi, h.trades
FROM historical_data h
WHERE h.instrument_key = %(key)s AND h.interval = '{interval}' AND h.time >= s.begins AND h.time < s.ends
  AND date_bin('{seconds} s', h.time, s.origin) = h.time{uncovered}"""
_UNCOVERED = """
  AND NOT EXISTS (
    SELECT FROM historical_data c WHERE c.instrument_key = %(key)s AND c.interval = '{interval}'
      AND c.time = date_bin('{seconds} s', {time}, s.origin) AND c.time >= s.begins)"""
# `place` puts ticks of one moment in the order of their entries, whose IDs are two numbers of 64 bits without sign.
ENTRY_ORDER = "t.time, split_part(t.entry_id, '-', 1)::numeric, split_part(t.entry_id, '-', 2)::numeric"
_TICKS = f"""
SELECT t.time, t.place, t.ltp, t.ltp, t.ltp, t.ltp, t.traded, t.ltp, t.open_interest, (t.traded > 0)::int::int8
FROM (
    SELECT t.time, t.ltp, t.open_interest, row_number() OVER entries AS place,
           CASE WHEN t.volume IS NOT NULL THEN greatest(t.volume - greatest(coalesce(
               max(t.volume) OVER (entries ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 0), 0) END AS traded
    FROM ticks t
    WHERE t.instrument_key = %(key)s AND t.suspect = '' AND t.time >= s.begins AND t.time {{until}} s.ends
    WINDOW entries AS (ORDER BY {ENTRY_ORDER})
) t
WHERE true{{uncovered}}"""
_LAST_MOMENT = "least({0}, s.ends - interval '1 microsecond')"
_FOLD = """
WITH {stretches}, part AS (
    SELECT {bar} AS bar, r.*, coalesce(r.vwap, r.high / 3 + r.low / 3 + r.close / 3) AS price
    FROM stretch s CROSS JOIN LATERAL ({parts}) AS r(time, place, open, high, low, close, volume, vwap, oi, trades)
)
SELECT round(date_part('epoch', bar) * 1000000)::int8,
       (array_agg(open ORDER BY {order}))[1], max(high), min(low), (array_agg(close ORDER BY {order}))[count(*)],
       sum(volume),
       sum(price * volume) FILTER (WHERE volume > 0) / nullif(sum(volume) FILTER (WHERE volume > 0), 0),
       (array_agg(oi ORDER BY {order}) FILTER (WHERE oi IS NOT NULL))[count(oi)], sum(trades)::float8,
       (coalesce(bool_or(vwap IS NULL) FILTER (WHERE volume > 0), false))::int::int8
FROM part GROUP BY bar ORDER BY bar"""
_TYPES = dict.fromkeys(
    ("time", "open", "high", "low", "close", "volume", "vwap", "open_interest", "trades", "typical"), float
) | {"time": int, "typical": int}


def fold_stored(key: str, grid: Grid, stored: Sequence[int], *, ticks: bool) -> FoldedBars:
    """Return what `fold` returns of the instrument's stored bars and ticks.

    `stored`: the lengths of stored bars, in seconds, that may take part. `ticks`: whether ticks do.
    """
    query, parameters = fold_query(key, grid, stored, ticks=ticks)
    if not query:
        return join_folded([])
    columns = binary_columns(query, parameters, _TYPES)
    return FoldedBars(**columns | {"typical": columns["typical"] > 0})


def fold_query(key: str, grid: Grid, stored: Sequence[int], *, ticks: bool) -> tuple[str, Mapping[str, Any]]:
    """Return the statement and its parameters; an empty text where nothing can take part."""
    lengths = [each for each in sorted(stored, reverse=True) if fits(each, grid)]
    parts = [
        _BARS.format(**_named(each), uncovered=_uncovered(lengths[:place], "h.time"))
        for place, each in enumerate(lengths)
    ]
    if ticks:
        until, time = ("<=", _LAST_MOMENT.format("t.time")) if grid.closes else ("<", "t.time")
        parts.append(_TICKS.format(until=until, uncovered=_uncovered(lengths, time)))
    if not parts or not len(grid):
        return "", {}
    bar = "s.label"
    if grid.step:
        moment = _LAST_MOMENT.format("r.time") if ticks and grid.closes else "r.time"
        bar = f"date_bin('{grid.step // SECOND} s', {moment}, s.origin)"
    order = "time, place" if ticks else "time"
    query = _FOLD.format(stretches=_STRETCHES, bar=bar, parts=" UNION ALL ".join(parts), order=order)
    columns = {name: getattr(grid, name).tolist() for name in ("begins", "ends", "origin", "label")}
    return query, {"key": key, **columns}


def _uncovered(lengths: Sequence[int], time: str) -> str:
    return "".join(_UNCOVERED.format(**_named(each), time=time) for each in lengths)


def _named(seconds: int) -> dict[str, Any]:
    return {"interval": format_timeframe(seconds), "seconds": seconds}
