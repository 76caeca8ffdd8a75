"""The grammar of timeframes: how long a bar is.

    timeframe = COUNT UNIT        COUNT: a whole number from 1, without sign or leading zeros
    UNIT      = "s" | "m" | "h" | "d" | "w" | "mo"        seconds, minutes, hours, days, weeks, months

A timeframe of fixed length is an int, its seconds: 7m is 420, and 60m, 1h and 3600s are one timeframe. Months have no
fixed length and are `Months`. A whole number of days is 86,400 s each on crypto exchanges; on others it means that many
of the exchange's dates (`timeframes.core.grid`), so 24h is 1d there.

`M` is refused: elsewhere 1M means a month, and whoever writes 15M may mean minutes.
"""

import re
from dataclasses import dataclass
from typing import Any

from signalsite.foundation.errors import InvalidInput

STANDARD = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
DAY, WEEK = 86_400, 7 * 86_400
MOST_DAYS, MOST_MONTHS = 3660, 120
LONGEST_TEXT = 12
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": WEEK}
PATTERN = "^([1-9][0-9]{0,8})(s|m|h|d|w|mo)$"
"""For schemas."""
_TIMEFRAME = re.compile(PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class Months:
    """So many calendar months: 3 is a quarter. Blocks of months count from January 1970."""

    count: int


Timeframe = int | Months
"""Seconds, or months."""


class InvalidTimeframe(InvalidInput):
    """The text is no timeframe."""

    def __init__(self, text: Any) -> None:
        shown = f"{text[:LONGEST_TEXT]!r}" if isinstance(text, str) else f"a {type(text).__name__}"
        months = " (a month is mo, a minute m)" if isinstance(text, str) and text[:LONGEST_TEXT].endswith("M") else ""
        super().__init__(
            "timeframe",
            f"{shown} is no timeframe{months}: write a whole number and one of s, m, h, d, w, mo, such as 7m or 90s; "
            f"the standard ones are {', '.join(STANDARD)}; the longest are {MOST_DAYS}d and {MOST_MONTHS}mo",
        )


def parse_timeframe(text: str) -> Timeframe:
    """Return the seconds of a timeframe of fixed length, or its Months. Raises InvalidTimeframe.

    >>> parse_timeframe("7m"), parse_timeframe("1d"), parse_timeframe("3mo")
    (420, 86400, Months(count=3))
    """
    # The length first: a text of any size is refused without being read.
    if not isinstance(text, str) or len(text) > LONGEST_TEXT or (found := _TIMEFRAME.fullmatch(text)) is None:
        raise InvalidTimeframe(text)
    count, unit = int(found[1]), found[2]
    if unit == "mo":
        if count > MOST_MONTHS:
            raise InvalidTimeframe(text)
        return Months(count)
    seconds = count * _UNITS[unit]
    if seconds > MOST_DAYS * DAY:
        raise InvalidTimeframe(text)
    return seconds


def format_timeframe(timeframe: Timeframe) -> str:
    """Return the shortest text of a timeframe, in its largest unit: 3600 is 1h, 86400 1d, 604800 1w.

    >>> format_timeframe(5400), format_timeframe(172800), format_timeframe(Months(3))
    ('90m', '2d', '3mo')
    """
    if isinstance(timeframe, Months):
        return f"{timeframe.count}mo"
    unit = next(unit for unit in reversed(_UNITS) if timeframe % _UNITS[unit] == 0)
    return f"{timeframe // _UNITS[unit]}{unit}"
