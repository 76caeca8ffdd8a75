"""Bars over HTTP."""

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from signalsite.foundation.conditional import conditional, page
from signalsite.foundation.errors import InvalidInput
from timeframes.bars import examples
from timeframes.bars.selectors import Page, read_page
from timeframes.bars.serializers import (
    AvailableTimeframesSerializer,
    BarsPageSerializer,
    BarsQuerySerializer,
    NoQuerySerializer,
)
from timeframes.bars.stored import Stored, Wanted, check_made, stored_of
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, default_anchor, instant
from timeframes.core.keys import parse_key
from timeframes.core.ranges import parse_moment
from timeframes.core.timeframe import STANDARD, format_timeframe, parse_timeframe
from timeframes.default_exchange import completed

TAGS = ["historical"]


class BarsView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[BarsQuerySerializer],
        responses=BarsPageSerializer,
        examples=[examples.BARS],
        operation_id="v2_signals_historical_bars",
        summary="Bars of one instrument, of any timeframe",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        query, now = _query(BarsQuerySerializer, request), timezone.now()
        wanted = read_wanted(instrument_key, query, now)
        if "cursor" in query:
            wanted = replace(wanted, begin=max(wanted.begin, _after(query["cursor"])))
        found = read_page(wanted, limit=query["limit"], now=now)
        head = {
            "instrument_key": wanted.key,
            "timeframe": format_timeframe(wanted.timeframe),
            "seconds": wanted.timeframe if isinstance(wanted.timeframe, int) else None,
            "anchor": wanted.anchor.value,
        }
        following = None if found.following is None else found.following.isoformat()
        return page(request, head, following, _rows(found))


class AvailableTimeframesView(APIView):
    @extend_schema(
        tags=TAGS,
        responses=AvailableTimeframesSerializer,
        examples=[examples.AVAILABLE],
        operation_id="v2_signals_historical_available_timeframes",
        summary="What is stored of one instrument, and which bars can be made of it",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        _query(NoQuerySerializer, request)
        key, exchange = _key(instrument_key)
        stored, anchor = _stored(key), default_anchor(exchange)
        rows: list[tuple[str | None, tuple[datetime, datetime]]] = [
            (format_timeframe(seconds), extent) for seconds, extent in sorted(stored.bars.items())
        ]
        if stored.ticks:
            rows.insert(0, (None, stored.ticks))
        makes = [text for text in STANDARD if stored.ticks or stored.fitting(parse_timeframe(text), anchor)]
        return conditional(
            request,
            {
                "instrument_key": key,
                "anchor": anchor.value,
                "stored": [{"timeframe": text, "first": first, "last": last} for text, (first, last) in rows],
                "timeframes": makes,
            },
        )


def read_wanted(instrument_key: str, query: dict[str, Any], now: datetime) -> Wanted:
    """Raises InvalidInput, which names the field, and NotFound for an instrument of which nothing is stored."""
    key, exchange = _key(instrument_key)
    timeframe = query["timeframe"]
    anchor = Anchor(query["anchor"]) if "anchor" in query else default_anchor(exchange)
    begin = parse_moment(query["start_time"], exchange, "start_time")
    end = parse_moment(query["end_time"], exchange, "end_time", ends=True) if "end_time" in query else now
    if end <= begin:
        raise InvalidInput("end_time", "must be after start_time")
    stored = _stored(key)
    check_made(key, stored, timeframe, anchor)
    return Wanted(key=key, exchange=exchange, timeframe=timeframe, anchor=anchor, begin=begin, end=end, stored=stored)


def _query(serializer: type[Any], request: Request) -> dict[str, Any]:
    query = serializer(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    return cast(dict[str, Any], query.validated_data)


def _key(text: str) -> tuple[str, str]:
    key = parse_key(completed(text))
    return str(key), exchange_named(key.exchange).name


def _stored(key: str) -> Stored:
    stored = stored_of(key)
    if not stored:
        raise NotFound(f"no bars or ticks of {key} are stored")
    return stored


def _after(cursor: str) -> datetime:
    """Return the moment after the bar that a cursor names, which no exchange's zone changes."""
    return instant(1) - instant(0) + parse_moment(cursor, "", "cursor")


def _rows(found: Page) -> list[dict[str, Any]]:
    bars = found.bars
    names = ("open", "high", "low", "close", "volume", "vwap", "open_interest")
    columns = [getattr(bars, name).tolist() for name in names]  # orjson writes NaN as null
    return [
        {
            "time": instant(time),
            **dict(zip(names, numbers, strict=True)),
            "vwap_source": source,
            "trades": None if trades != trades else int(trades),
            "complete": ended,
        }
        for time, *numbers, source, trades, ended in zip(
            bars.time.tolist(),
            *columns,
            bars.vwap_sources(),
            bars.trades.tolist(),
            found.complete.tolist(),
            strict=True,
        )
    ]
