"""Reads requests for bars."""

from datetime import datetime
from typing import Any, cast

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from signalsite.foundation.errors import InvalidInput
from timeframes.bars.stored import Stored, Wanted, check_made, stored_of
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, check_anchor, default_anchor, instant
from timeframes.core.keys import parse_key
from timeframes.core.ranges import parse_moment
from timeframes.default_exchange import completed


def read_wanted(instrument_key: str, query: dict[str, Any], now: datetime) -> Wanted:
    """Raises InvalidInput, which names the field, and NotFound for an instrument of which nothing is stored."""
    key, exchange = read_key(instrument_key)
    timeframe = query["timeframe"]
    anchor = Anchor(query["anchor"]) if "anchor" in query else default_anchor(exchange)
    begin = parse_moment(query["start_time"], exchange, "start_time")
    end = parse_moment(query["end_time"], exchange, "end_time", ends=True) if "end_time" in query else now
    if end <= begin:
        field = "end_time" if "end_time" in query else "start_time"
        raise InvalidInput(field, "the range is empty: start_time must be before end_time, which is now if left out")
    if "cursor" in query:
        begin = max(begin, _after(query["cursor"]))
    check_anchor(timeframe, anchor)
    stored = stored_or_404(key)
    check_made(key, stored, timeframe, anchor)
    return Wanted(key=key, exchange=exchange, timeframe=timeframe, anchor=anchor, begin=begin, end=end, stored=stored)


def read_query(serializer: type[Any], request: Request) -> dict[str, Any]:
    query = serializer(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    return cast(dict[str, Any], query.validated_data)


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
        raise NotFound(f"no bars or ticks of {key} are stored")
    return stored


def _after(cursor: str) -> datetime:
    """Return the moment after the bar that a cursor names, which no exchange's zone changes."""
    return instant(1) - instant(0) + parse_moment(cursor, "", "cursor")
