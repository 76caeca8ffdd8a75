"""Ranges of time, as requests give them."""

import re
from datetime import UTC, date, datetime, time, timedelta

from timeframes.core.exchanges import exchange_named
from timeframes.core.sessions import parse_instant

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def parse_moment(text: str, exchange: str, field: str, *, ends: bool = False) -> datetime:
    """Read one end of a range [start, end) and return it in UTC.

    An ISO 8601 instant without an offset is in the exchange's zone. A date alone means the midnight there with which
    it begins; as the end of a range, the one with which it ends, so that the range includes the date.
    Raises InvalidInput under the name of the field.
    """
    found = parse_instant(text, exchange, field)
    text = text.strip()
    if not _DATE.fullmatch(text):
        return found
    day = date.fromisoformat(text) + timedelta(days=1 if ends else 0)
    return datetime.combine(day, time(0), exchange_named(exchange).zone).astimezone(UTC)
