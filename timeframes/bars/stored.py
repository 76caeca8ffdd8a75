"""What is stored of an instrument, and which bars can be made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_rows
from timeframes.core.grid import Anchor
from timeframes.core.timeframe import DAY, Months, Timeframe, format_timeframe, parse_timeframe

_MOMENT = timedelta(microseconds=1)
# A loose index scan: one probe an interval, not one a bar.
_STORED = """
WITH RECURSIVE found(interval) AS (
    (SELECT h.interval FROM historical_data h WHERE h.instrument_key = %(key)s ORDER BY h.interval LIMIT 1)
    UNION ALL
    SELECT (SELECT h.interval FROM historical_data h WHERE h.instrument_key = %(key)s AND h.interval > found.interval
            ORDER BY h.interval LIMIT 1)
    FROM found WHERE found.interval IS NOT NULL
)
SELECT interval,
       (SELECT min(time) FROM historical_data h WHERE h.instrument_key = %(key)s AND h.interval = found.interval),
       (SELECT max(time) FROM historical_data h WHERE h.instrument_key = %(key)s AND h.interval = found.interval)
FROM found WHERE interval IS NOT NULL
UNION ALL
SELECT '', min(time), max(time) FROM ticks t WHERE t.instrument_key = %(key)s
"""

_NEWEST = """
SELECT max(newest) FROM unnest(%(keys)s::text[]) AS k(key) CROSS JOIN LATERAL (
    WITH RECURSIVE found(interval) AS (
        (SELECT h.interval FROM historical_data h WHERE h.instrument_key = k.key ORDER BY h.interval LIMIT 1)
        UNION ALL
        SELECT (SELECT h.interval FROM historical_data h WHERE h.instrument_key = k.key AND h.interval > found.interval
                ORDER BY h.interval LIMIT 1)
        FROM found WHERE found.interval IS NOT NULL
    )
    SELECT (SELECT max(h.time) FROM historical_data h WHERE h.instrument_key = k.key AND h.interval = found.interval)
    FROM found WHERE interval IS NOT NULL
    UNION ALL
    SELECT max(t.time) FROM ticks t WHERE t.instrument_key = k.key
) AS one(newest)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """The first and the last moment of what is stored of an instrument: bars by their seconds, and ticks."""

    bars: dict[int, tuple[datetime, datetime]]
    ticks: tuple[datetime, datetime] | None

    def __bool__(self) -> bool:
        return bool(self.bars or self.ticks)

    def fitting(self, timeframe: Timeframe, anchor: Anchor) -> list[int]:
        """Return the lengths of stored bars that bars of this timeframe can be made of."""
        dates = isinstance(timeframe, Months) or (anchor is Anchor.SESSION and timeframe >= DAY)
        return [each for each in sorted(self.bars) if dates or timeframe % each == 0]  # type: ignore[operator]

    def clipped(
        self, begin: datetime, end: datetime, lengths: Sequence[int], one: timedelta
    ) -> tuple[datetime, datetime]:
        """Return the part of a range in which bars can begin. `one`: about how long a bar is. It may be empty."""
        extents = [self.bars[each] for each in lengths] + ([self.ticks] if self.ticks else [])
        if not extents:
            return begin, begin
        one += timedelta(days=1)  # a bar begins before what it is made of
        first, last = min(first for first, _ in extents) - one, max(last for _, last in extents) + _MOMENT
        return max(begin, first), min(end, last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A checked request: the bars of one instrument that begin in [begin, end)."""

    key: str
    exchange: str
    timeframe: Timeframe
    anchor: Anchor
    begin: datetime
    end: datetime
    stored: Stored


def stored_of(key: str) -> Stored:
    bars, ticks = {}, None
    for interval, first, last in binary_rows(_STORED, {"key": key}):
        if interval:
            seconds = parse_timeframe(interval)
            assert isinstance(seconds, int)  # record_bars stores no other
            bars[seconds] = (first, last)
        elif first is not None:
            ticks = (first, last)
    return Stored(bars, ticks)


def check_made(key: str, stored: Stored, timeframe: Timeframe, anchor: Anchor) -> None:
    """Raise InvalidInput for a timeframe in which nothing stored of the instrument fits."""
    if stored and stored.ticks is None and not stored.fitting(timeframe, anchor):
        lengths = ", ".join(map(format_timeframe, sorted(stored.bars)))
        raise InvalidInput(
            "timeframe",
            f"{format_timeframe(timeframe)} bars of {key} cannot be made: only {lengths} bars of it are stored, and no "
            "ticks",
        )


def newest_moment(keys: Sequence[str]) -> datetime | None:
    """Return the time of the newest bar or tick of any of these keys."""
    found: datetime | None = binary_rows(_NEWEST, {"keys": list(keys)})[0][0]
    return found
