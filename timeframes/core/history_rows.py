"""Reads an answer of the Subscription Manager: an array of bars as JSON, in which nothing is trusted."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from signalsite.foundation.errors import InvalidInput
from timeframes.core.bars import BarColumns, no_bars
from timeframes.core.grid import SECOND, Anchor, default_anchor, microseconds
from timeframes.core.ranges import parse_moment
from timeframes.core.sessions import local_date, session_open
from timeframes.core.timeframe import DAY

MOST_ROWS = 200_000
MOST_COMMAS = 20 * MOST_ROWS
"""Of a body, before it is parsed: 32 MiB of `{},` would take 1.1 GiB of memory."""
MOST_PRICE, MOST_AMOUNT = 1e12, 1e18
_PRICES = ("open", "high", "low", "close")


class NotAnAnswer(InvalidInput):
    """The body is no array of bars."""

    def __init__(self, message: str) -> None:
        super().__init__("historical_data", message)


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """`rejected`: how many rows were not used, by reason."""

    bars: BarColumns
    rejected: Counter[str]


def read_history(content: bytes, exchange: str, seconds: int, begin: datetime, end: datetime) -> HistoryRows:
    """Return the bars of `seconds` that begin in [begin, end), in the order of time. Raises NotAnAnswer.

    A row without a usable time or price is rejected. Of rows of one time the last counts. A time without an offset is
    in the exchange's zone; a bar of a day gets the time of its session's opening.
    """
    objects = content.count(b"{") + content.count(b"[")
    if objects > MOST_ROWS + 1 or content.count(b",") > MOST_COMMAS:
        raise NotAnAnswer(f"the body has {objects:,} arrays and objects; at most {MOST_ROWS:,} rows were asked for")
    try:
        rows = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise NotAnAnswer(f"the body is not JSON: {str(error)[:100]}") from error
    if not isinstance(rows, list):
        raise NotAnAnswer(f"the body is a JSON {type(rows).__name__}, not an array")
    if len(rows) > MOST_ROWS:
        raise NotAnAnswer(f"the array has {len(rows):,} rows; at most {MOST_ROWS:,} rows were asked for")
    first, last = microseconds(begin), microseconds(end)
    rejected: Counter[str] = Counter()
    found: dict[int, tuple[float, ...]] = {}
    for row in rows:
        time, values, reason = _bar(row, exchange, seconds)
        if not reason and not first <= time < last:
            reason = "outside the range"
        if reason:
            rejected[reason] += 1
        else:
            found[time] = values
    times = sorted(found)
    if not times:
        return HistoryRows(no_bars(), rejected)
    columns = np.array([found[time] for time in times]).T
    unknown = np.full(len(times), np.nan)
    names = (*_PRICES, "volume", "open_interest")
    bars = BarColumns(
        time=np.array(times, np.int64), vwap=unknown, trades=unknown, **dict(zip(names, columns, strict=True))
    )
    return HistoryRows(bars, rejected)


def _bar(row: Any, exchange: str, seconds: int) -> tuple[int, tuple[float, ...], str]:
    """Return the time and the numbers of a row, and why it is rejected, or an empty text."""
    if not isinstance(row, dict):
        return 0, (), "no object"
    text = row.get("datetime")
    if not isinstance(text, str) or len(text) > 40:
        return 0, (), "no datetime"
    try:
        time = _begins(parse_moment(text, exchange, "datetime"), exchange, seconds)
    except (InvalidInput, OverflowError):
        return 0, (), "no datetime"
    if seconds < DAY and time % (seconds * SECOND):
        return 0, (), "off the grid"
    prices = [_number(row.get(name), MOST_PRICE) for name in _PRICES]
    if any(price is None or price != price or price <= 0 for price in prices):
        return 0, (), "no price"
    begins, high, low, closes = (float(price) for price in prices if price is not None)
    if not low <= min(begins, closes) <= max(begins, closes) <= high:
        return 0, (), "prices that contradict each other"
    amounts = [_number(row.get(name), MOST_AMOUNT) for name in ("volume", "oi")]
    if any(amount is None or amount < 0 for amount in amounts):
        return 0, (), "a wrong volume or open interest"
    return time, (begins, high, low, closes, *(float(amount) for amount in amounts if amount is not None)), ""


def _begins(moment: datetime, exchange: str, seconds: int) -> int:
    if seconds >= DAY and default_anchor(exchange) is Anchor.SESSION:
        moment = session_open(exchange, local_date(exchange, moment))
    return microseconds(moment)


def _number(value: Any, most: float) -> float | None:
    """Return a number, NaN for null or nothing, None for anything else."""
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
        return None
    return float(value)
