"""Writes the minutes of live ticks, and reads the ticks from which they are folded again.

Only complete minutes are stored, with the source SOURCE, so that a stored bar never hides a newer tick. At each commit
a stored minute equals the fold of the committed ticks; a minute that is not stored is read from the ticks. An imported
bar of the same minute stays: it is neither replaced nor removed here.

Tables of columns, one row a bar: `key`, `time` (microseconds since 1970) and the numbers of a bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from signalsite.foundation.rows import binary_columns, binary_rows
from timeframes.bars.folding import ENTRY_ORDER
from timeframes.core.bars import NUMBERS, BarColumns, Floats, TickColumns
from timeframes.core.grid import Instants
from timeframes.core.keys import parse_key
from timeframes.core.minutes import MINUTE

SOURCE = "stream"
FOREVER = 253_402_300_799_000_000
"""The end of year 9999, in microseconds."""
_LOCK_CLASS = 0x62617273  # a number of our own, so that these locks meet no others
_INSTANT = "timestamptz 'epoch' + {0} * interval '1 microsecond'"
_MICROSECONDS = "round(date_part('epoch', {0}) * 1000000)::int8"
_STORED = ("open", "high", "low", "close", "volume", "vwap", "oi", "trades", "session_volume")
# In the order in which imports write, so that neither waits for the other in a circle.
_ROWS = f"""
SELECT n.key, '1m', {_INSTANT.format("n.time")}, n.open, n.high, n.low, n.close, nullif(n.volume, 'NaN'),
       nullif(n.vwap, 'NaN'), nullif(n.oi, 'NaN'), nullif(n.trades, 'NaN')::int8, n.session_volume,
       n.expiry, n.side, n.strike::numeric, '{SOURCE}'
FROM unnest(%(key)s::text[], %(time)s::int8[], %(open)s::float8[], %(high)s::float8[], %(low)s::float8[],
            %(close)s::float8[], %(volume)s::float8[], %(vwap)s::float8[], %(oi)s::float8[], %(trades)s::float8[],
            %(session_volume)s::float8[], %(expiry)s::date[], %(side)s::text[], %(strike)s::text[])
     AS n(key, time, {", ".join(_STORED)}, expiry, side, strike)
ORDER BY n.key COLLATE "C", n.time"""
_INSERT = f"""
INSERT INTO historical_data AS stored (instrument_key, interval, time, {", ".join(_STORED)}, expiry_date, option_type,
                                       strikeprice, source)
{_ROWS}
ON CONFLICT (instrument_key, interval, time) DO {{action}}"""
_ADD = _INSERT.format(action="NOTHING") + f" RETURNING instrument_key, {_MICROSECONDS.format('time')}"
_REPLACE = _INSERT.format(
    action=f"UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in _STORED)} WHERE stored.source = '{SOURCE}'"
    f" AND ({', '.join(f'stored.{name}' for name in _STORED)})"
    f" IS DISTINCT FROM ({', '.join(f'EXCLUDED.{name}' for name in _STORED)})"
)
_DELETE = f"""
WITH gone AS (
    DELETE FROM historical_data h USING unnest(%(key)s::text[], %(time)s::int8[]) AS g(key, time)
    WHERE h.instrument_key = g.key AND h.interval = '1m' AND h.time = {_INSTANT.format("g.time")}
      AND h.source = '{SOURCE}'
    RETURNING h.instrument_key, h.time
)
INSERT INTO bar_changes (instrument_key, xid, first, last)
SELECT instrument_key, pg_current_xact_id()::text::int8, min(time), max(time) FROM gone GROUP BY instrument_key"""
# The trigger of a DELETE cannot see its rows, and would note a change of everything. See timeframes.0008.
_NOTED = "SELECT set_config('timeframes.deletion_noted', 'on', true)"
_LOCK = f"""
SELECT pg_advisory_xact_lock({_LOCK_CLASS}, lock) FROM
(SELECT DISTINCT hashtext(key) AS lock FROM unnest(%(key)s::text[]) AS k(key) ORDER BY 1) ordered"""
# `highest`: what the session's volume had reached before `since`. The stored minute before it says how much that was at
# its end, and the ticks after its end say the rest.
_TICKS = f"""
SELECT span.place, span.highest, span.until, {_MICROSECONDS.format("t.time")}, t.ltp, t.volume, t.open_interest
FROM (
    SELECT asked.*, greatest(bar.session_volume, before.volume, 0) AS highest,
        CASE WHEN asked.volume = 'NaN' THEN asked.ends ELSE greatest(asked.ends, coalesce((
            SELECT {_MICROSECONDS.format("h.time")} + 60000000 FROM historical_data h
            WHERE h.instrument_key = asked.key AND h.interval = '1m' AND h.source = %(source)s
              AND h.time >= {_INSTANT.format("asked.since")} AND h.time < {_INSTANT.format("asked.most")}
              AND h.session_volume >= asked.volume ORDER BY h.time LIMIT 1), most)) END AS until
    FROM unnest(%(place)s::int8[], %(key)s::text[], %(session)s::int8[], %(since)s::int8[], %(until)s::int8[],
                %(limit)s::int8[], %(volume)s::float8[])
         AS asked(place, key, session, since, ends, most, volume)
    LEFT JOIN LATERAL (
        SELECT h.time + interval '1 minute' AS ends, h.session_volume FROM historical_data h
        WHERE h.instrument_key = asked.key AND h.interval = '1m' AND h.source = %(source)s
          AND h.time >= {_INSTANT.format("asked.session")} AND h.time < {_INSTANT.format("asked.since")}
        ORDER BY h.time DESC LIMIT 1
    ) bar ON true
    CROSS JOIN LATERAL (
        SELECT max(b.volume) AS volume FROM {{table}} b
        WHERE b.instrument_key = asked.key AND b.suspect = '' AND b.time < {_INSTANT.format("asked.since")}
          AND b.time >= coalesce(bar.ends, {_INSTANT.format("asked.session")})
    ) before
) span
CROSS JOIN LATERAL (
    SELECT t.time, t.entry_id, t.ltp, t.volume, t.open_interest FROM {{table}} t
    WHERE t.instrument_key = span.key AND t.suspect = '' AND t.time >= {_INSTANT.format("span.since")}
      AND t.time <= {_INSTANT.format("span.until")}
) t
ORDER BY span.place, {ENTRY_ORDER}"""
# Bars of any source: what imports have replaced needs no ticks any more, and what they lack is read from the ticks.
_NEWEST = f"""
SELECT {_MICROSECONDS.format("t.time")}, {_MICROSECONDS.format("h.time")}
FROM unnest(%(key)s::text[]) WITH ORDINALITY AS k(key, place)
LEFT JOIN LATERAL (SELECT max(time) AS time FROM {{table}} t
                   WHERE t.instrument_key = k.key AND t.suspect = '') t ON true
LEFT JOIN LATERAL (SELECT time FROM historical_data h WHERE h.instrument_key = k.key AND h.interval = '1m'
                   AND h.time <= t.time ORDER BY h.time DESC LIMIT 1) h ON %(stored)s
ORDER BY k.place"""

_ANY_LIVE = f"""
SELECT k.place FROM unnest(%(key)s::text[], %(first)s::int8[], %(last)s::int8[])
    WITH ORDINALITY AS k(key, first, last, place)
WHERE EXISTS (
    SELECT FROM historical_data h WHERE h.instrument_key = k.key AND h.interval = '1m' AND h.source = '{SOURCE}'
      AND h.time BETWEEN {_INSTANT.format("k.first")} AND {_INSTANT.format("k.last")})"""
_LIVE = f"""
SELECT count(*) FROM unnest(%(key)s::text[], %(time)s::int8[]) AS t(key, time)
JOIN historical_data h ON h.instrument_key = t.key AND h.interval = '1m' AND h.time = {_INSTANT.format("t.time")}
WHERE h.source = '{SOURCE}'"""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Ticks to read: those of minutes that begin in [since, until), see `realtime.ticks.core.bar_book.Doubtful`."""

    key: Sequence[str]
    session: Sequence[int]
    since: Sequence[int]
    until: Sequence[int]
    limit: Sequence[int]
    volume: Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class SpanTicks:
    """The ticks of spans, in the order of the spans, of time and of entry. `place`: of the span. Ticks at the very end
    are among them: a session's closing moment belongs to its last minute. `highest`: the session's volume before."""

    place: NDArray[np.int64]
    highest: Floats
    until: Instants
    ticks: TickColumns


def add_bars(keys: Sequence[str], bars: BarColumns, session_volume: Floats) -> NDArray[np.bool_]:
    """Store complete minutes. Return which of them are stored now: a bar that exists stays as it is."""
    added = set(binary_rows(_ADD, _parameters(keys, bars, session_volume)))
    return np.array([each in added for each in zip(keys, bars.time.tolist(), strict=True)], bool)


def replace_bars(keys: Sequence[str], bars: BarColumns, session_volume: Floats) -> None:
    """Store minutes that were folded from the table, under the lock of their keys. Other sources' bars stay."""
    with connection.cursor() as cursor:
        cursor.execute(_REPLACE, _parameters(keys, bars, session_volume))


def remove_bars(keys: Sequence[str], minutes: Sequence[int]) -> None:
    """Remove live minutes, and note them as changed. In the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTED)
        cursor.execute(_DELETE, {"key": list(keys), "time": list(minutes)})


def lock_bars(keys: Sequence[str]) -> None:
    """Wait until no other transaction folds minutes of these keys again, and keep others waiting until ours ends."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, {"key": list(keys)})


def load_spans(span: Span, *, table: str, source: str | None) -> SpanTicks:
    """`source`: of stored bars that say how high the volume was; None: there are none."""
    parameters = {name: list(getattr(span, name)) for name in Span.__slots__}
    found = binary_columns(
        _TICKS.format(table=table),
        {**parameters, "place": list(range(len(span.key))), "source": source},
        {"place": int, "highest": float, "until": int, "time": int}
        | dict.fromkeys(("price", "volume", "open_interest"), float),
    )
    place, highest, until = (found.pop(name) for name in ("place", "highest", "until"))
    return SpanTicks(place, highest, until, TickColumns(**found))


def newest_of(keys: Sequence[str], *, table: str, stored: bool) -> list[tuple[int | None, int | None]]:
    """Return the time of each key's newest tick, and of the newest stored minute that begins at or before it.

    `stored`: whether minutes of these ticks are stored at all.
    """
    return binary_rows(_NEWEST.format(table=table), {"key": list(keys), "stored": stored})


def live_bars_at(keys: Sequence[str], place: NDArray[np.int64], seconds: int, times: Instants) -> int:
    """Return at how many of these times a bar of live ticks begins. Time i is of `keys[place[i]]`."""
    if seconds != MINUTE or not len(times):
        return 0
    order = np.lexsort((times, place))
    place, times = place[order], times[order]
    present, starts, counts = np.unique(place, return_index=True, return_counts=True)
    spans = {
        "key": [keys[each] for each in present.tolist()],
        "first": times[starts].tolist(),
        "last": times[starts + counts - 1].tolist(),
    }
    live = [present[number - 1] for (number,) in binary_rows(_ANY_LIVE, spans)]
    if not live:
        return 0
    rows = np.isin(place, live)
    asked = {"key": [keys[each] for each in place[rows].tolist()], "time": times[rows].tolist()}
    found: int = binary_rows(_LIVE, asked)[0][0]
    return found


def _parameters(keys: Sequence[str], bars: BarColumns, session_volume: Floats) -> dict[str, Any]:
    parsed = [parse_key(key) for key in keys]
    numbers = {name: getattr(bars, name).tolist() for name in NUMBERS}
    numbers["oi"] = numbers.pop("open_interest")
    return {
        "key": list(keys),
        "time": bars.time.tolist(),
        **numbers,
        "session_volume": session_volume.tolist(),
        "expiry": [each.expiry for each in parsed],
        "side": [str(each.right) or None for each in parsed],
        "strike": [None if each.strike is None else str(each.strike) for each in parsed],
    }
