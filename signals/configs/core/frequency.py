"""The grammar of frequencies: when a configuration is due.

    frequency = COUNT ("s" | "m" | "h" | "d")            every so many seconds ... days, counted from 1970 in UTC
              | "bar"                                    at the close of each bar of the interval
              | "hourly" [ "@" MM ]
              | "daily" [ "@" HH:MM ]                    of the exchange's time zone; without it, at the session's close
              | "weekly" "@" DAY [ "," HH:MM ]           mon ... sun
              | "monthly" "@" DATE [ "," HH:MM ]         1 ... 31, or "last"
              | ( "open" | "close" ) [ ( "+" | "-" ) DURATION ]    of each session: open+15m, close-5m

Capitals and small letters are equal, and so is the text with spaces and without. A period is at most 31 days, a
duration less than a day.

`signals.configs.core.schedule` says at which moments these are.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from signalsite.foundation.errors import InvalidInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST = -1
"""The day of `monthly@last`."""
LONGEST_TEXT = 40
LONGEST_PERIOD = 31 * 86_400
LONGEST_OFFSET = 86_400 - 1
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PERIOD = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_HOURLY = re.compile(r"hourly(?:@([0-5]?[0-9]))?", re.ASCII)
_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"
_DAILY = re.compile(rf"daily(?:@{_CLOCK})?", re.ASCII)
_WEEKLY = re.compile(rf"weekly@({'|'.join(DAYS)})(?:,{_CLOCK})?", re.ASCII)
_MONTHLY = re.compile(rf"monthly@(0?[1-9]|[12][0-9]|3[01]|last)(?:,{_CLOCK})?", re.ASCII)
_SESSION = re.compile(r"(open|close)(?:([+-])([0-9]{1,9})([smh]))?", re.ASCII)


class Every(StrEnum):
    SECONDS = "seconds"
    BAR = "bar"
    HOUR = "hourly"
    DAY = "daily"
    WEEK = "weekly"
    MONTH = "monthly"
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """`seconds`: the period, or the offset from the session's open or close. `minute`: of the day in the exchange's
    zone (or of the hour), None for the session's close. `day`: of the week from 0 for Monday, or of the month; -1 for
    its last."""

    every: Every
    seconds: int = 0
    minute: int | None = None
    day: int = 0


class InvalidFrequency(InvalidInput):
    """The text is no frequency."""

    def __init__(self, text: object) -> None:
        shown = f"{text[:LONGEST_TEXT]!r}" if isinstance(text, str) else f"a {type(text).__name__}"
        super().__init__(
            "frequency",
            f"{shown} is no frequency: write a period of at most 31d such as 5s, 5m or 1h, or bar, hourly, hourly@15, "
            "daily, daily@15:20, weekly@thu, weekly@thu,15:20, monthly@1, monthly@last,15:20, or an offset of less "
            "than a day from each session's open or close, such as open+15m or close-5m",
        )


def parse_frequency(text: str) -> Frequency:
    """Raises InvalidInput, field `frequency`, with what is allowed.

    >>> parse_frequency("60s") == parse_frequency("1m")
    True
    >>> parse_frequency("close-5m").seconds
    -300
    """
    # The length first: a text of any size is refused without being read.
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise InvalidFrequency(text)
    found = _read(re.sub(r"[ \t]", "", text).lower())
    if found is None:
        raise InvalidFrequency(text)
    return found


def _read(text: str) -> Frequency | None:
    if text == "bar":
        return Frequency(every=Every.BAR)
    if found := _PERIOD.fullmatch(text):
        seconds = int(found[1]) * _UNITS[found[2]]
        return Frequency(every=Every.SECONDS, seconds=seconds) if 0 < seconds <= LONGEST_PERIOD else None
    if found := _HOURLY.fullmatch(text):
        return Frequency(every=Every.HOUR, minute=int(found[1] or 0))
    if found := _DAILY.fullmatch(text):
        return Frequency(every=Every.DAY, minute=_minute(found[1], found[2]))
    if found := _WEEKLY.fullmatch(text):
        return Frequency(every=Every.WEEK, day=DAYS.index(found[1]), minute=_minute(found[2], found[3]))
    if found := _MONTHLY.fullmatch(text):
        day = LAST if found[1] == "last" else int(found[1])
        return Frequency(every=Every.MONTH, day=day, minute=_minute(found[2], found[3]))
    if found := _SESSION.fullmatch(text):
        seconds = int(found[3]) * _UNITS[found[4]] if found[3] else 0
        signed = -seconds if found[2] == "-" else seconds
        return Frequency(every=Every(found[1]), seconds=signed) if seconds <= LONGEST_OFFSET else None
    return None


def _minute(hours: str | None, minutes: str | None) -> int | None:
    return None if hours is None or minutes is None else int(hours) * 60 + int(minutes)


def format_frequency(frequency: Frequency) -> str:
    """Return the one text of a frequency.

    >>> [format_frequency(parse_frequency(text)) for text in ("90s", "120m", "Weekly@Thu, 9:05", "open+0m")]
    ['90s', '2h', 'weekly@thu,09:05', 'open']
    """
    match frequency.every:
        case Every.SECONDS:
            return _duration(frequency.seconds, "dhms")
        case Every.BAR:
            return "bar"
        case Every.HOUR:
            return f"hourly@{frequency.minute:02}" if frequency.minute else "hourly"
        case Every.DAY:
            return "daily" if frequency.minute is None else f"daily@{_clock(frequency.minute)}"
        case Every.WEEK | Every.MONTH:
            name = str(frequency.day)
            if frequency.every is Every.WEEK:
                name = DAYS[frequency.day]
            elif frequency.day == LAST:
                name = "last"
            return f"{frequency.every}@{name}" + ("" if frequency.minute is None else f",{_clock(frequency.minute)}")
        case Every.OPEN | Every.CLOSE:
            if not frequency.seconds:
                return str(frequency.every)
            sign = "-" if frequency.seconds < 0 else "+"
            return f"{frequency.every}{sign}{_duration(abs(frequency.seconds), 'hms')}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _duration(seconds: int, units: str) -> str:
    unit = next(unit for unit in units if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
