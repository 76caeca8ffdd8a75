"""Reads requests for bars."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework.exceptions import NotFound

from signalsite.foundation.errors import InvalidInput
from timeframes.bars.stored import Stored, Wanted, check_made, stored_of
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, check_anchor, default_anchor, instant
from timeframes.core.keys import parse_key
from timeframes.core.ranges import parse_moment
from timeframes.core.timeframe import Timeframe
from timeframes.default_exchange import completed

EMPTY_RANGE = "the range is empty: start_time must be before end_time, which is now if left out"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for bars, as its text says it. `end`: None without `end_time`, which means now."""

    key: str
    exchange: str
    timeframe: Timeframe
    anchor: Anchor
    begin: datetime
    end: datetime | None
    cursor: datetime | None = None

    def check_range(self, now: datetime) -> None:
        """Raise InvalidInput for a range that is empty at this time."""
        if (now if self.end is None else self.end) <= self.begin:
            raise InvalidInput("start_time" if self.end is None else "end_time", EMPTY_RANGE)

    def wanted(self, stored: Stored, now: datetime) -> Wanted:
        """Return the checked request. Raises InvalidInput, which names the field."""
        check_made(self.key, stored, self.timeframe, self.anchor)
        begin = self.begin if self.cursor is None else max(self.begin, self.cursor)
        return Wanted(
            key=self.key,
            exchange=self.exchange,
            timeframe=self.timeframe,
            anchor=self.anchor,
            begin=begin,
            end=now if self.end is None else self.end,
            stored=stored,
        )


def read_asked(instrument_key: str, query: dict[str, Any]) -> Asked:
    """Raises InvalidInput, which names the field."""
    key, exchange = read_key(instrument_key)
    timeframe = query["timeframe"]
    anchor = Anchor(query["anchor"]) if "anchor" in query else default_anchor(exchange)
    begin = parse_moment(query["start_time"], exchange, "start_time")
    end = parse_moment(query["end_time"], exchange, "end_time", ends=True) if "end_time" in query else None
    check_anchor(timeframe, anchor)
    cursor = _after(query["cursor"]) if "cursor" in query else None
    return Asked(key, exchange, timeframe, anchor, begin, end, cursor)


def read_wanted(instrument_key: str, query: dict[str, Any], now: datetime) -> Wanted:
    """Raises InvalidInput, which names the field, and NotFound for an instrument of which nothing is stored."""
    asked = read_asked(instrument_key, query)
    asked.check_range(now)
    return asked.wanted(stored_or_404(asked.key), now)


def read_key(text: str) -> tuple[str, str]:
    """Return an instrument's key and exchange. Raises InvalidInput."""
    try:
        key = parse_key(completed(text))
        return str(key), exchange_named(key.exchange).name
    except InvalidInput as error:
        raise InvalidInput("instrument_key", str(error)) from error


def stored_or_404(key: str) -> Stored:
    stored = stored_of(key)
    if not stored:
        raise nothing_stored(key)
    return stored


def nothing_stored(key: str) -> NotFound:
    return NotFound(f"no bars or ticks of {key} are stored")


def _after(cursor: str) -> datetime:
    """Return the moment after the bar that a cursor names, which no exchange's zone changes."""
    return instant(1) - instant(0) + parse_moment(cursor, "", "cursor")
