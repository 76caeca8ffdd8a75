"""Reads requests for histories."""

from datetime import datetime
from typing import Any

from moneyness.core.level_grammar import read_level
from moneyness.history.computed import DEEPEST
from moneyness.history.values import Source, Wanted
from signalsite.foundation.errors import InvalidInput
from timeframes.bars.requests import EMPTY_RANGE
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, check_anchor, default_anchor, instant
from timeframes.core.keys import Product, parse_key
from timeframes.core.ranges import parse_moment
from timeframes.default_exchange import completed


def read_underlying(text: str) -> tuple[str, str]:
    """Return an underlying's key and exchange. Raises InvalidInput."""
    try:
        key = parse_key(completed(text))
        exchange = exchange_named(key.exchange).name
    except InvalidInput as error:
        raise InvalidInput("underlying", str(error)) from error
    if key.product not in (Product.UNDERLYING, Product.CRYPTO_SPOT):
        raise InvalidInput("underlying", f"{key} is no underlying, such as NSE@NIFTY")
    return str(key), exchange


def read_wanted(underlying: str, level: str, query: dict[str, Any], now: datetime) -> Wanted:
    """Raises InvalidInput, which names the field. `level`: empty for a value of an expiry."""
    key, exchange = read_underlying(underlying)
    timeframe = query["timeframe"]
    anchor = Anchor(query["anchor"]) if "anchor" in query else default_anchor(exchange)
    check_anchor(timeframe, anchor)
    begin = parse_moment(query["start_time"], exchange, "start_time")
    end = parse_moment(query["end_time"], exchange, "end_time", ends=True) if "end_time" in query else None
    if (now if end is None else end) <= begin:
        raise InvalidInput("start_time" if end is None else "end_time", EMPTY_RANGE)
    if "cursor" in query:
        after = instant(1) - instant(0) + parse_moment(query["cursor"], "", "cursor")  # which no zone changes
        begin = max(begin, after)
    return Wanted(
        underlying=key,
        exchange=exchange,
        timeframe=timeframe,
        anchor=anchor,
        begin=begin,
        end=now if end is None else end,
        value=query["value"],
        source=Source(query["source"]),
        level=read_level(level, DEEPEST).name if level else "",
        side=query.get("side", "both"),
        expiry=query.get("expiry"),
        tenor=query.get("tenor"),
    )
