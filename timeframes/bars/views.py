"""Bars over HTTP."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from signalsite.foundation.conditional import conditional, page
from timeframes.bars import examples
from timeframes.bars.requests import read_key, read_query, read_wanted, stored_or_404
from timeframes.bars.selectors import Page, read_page
from timeframes.bars.serializers import (
    AvailableTimeframesSerializer,
    BarsPageSerializer,
    BarsQuerySerializer,
    NoQuerySerializer,
)
from timeframes.core.grid import default_anchor, instant
from timeframes.core.timeframe import STANDARD, format_timeframe, parse_timeframe

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
        query, now = read_query(BarsQuerySerializer, request), timezone.now()
        wanted = read_wanted(instrument_key, query, now)
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
        read_query(NoQuerySerializer, request)
        key, exchange = read_key(instrument_key)
        stored, anchor = stored_or_404(key), default_anchor(exchange)
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


def _rows(found: Page) -> list[dict[str, Any]]:
    bars = found.bars
    names = ("open", "high", "low", "close", "volume", "vwap")
    columns = [getattr(bars, name).tolist() for name in names]  # orjson writes NaN as null
    return [
        {
            "time": instant(time),
            **dict(zip(names, numbers, strict=True)),
            "vwap_source": source,
            "open_interest": interest,
            "trades": None if trades != trades else int(trades),
            "complete": ended,
        }
        for time, *numbers, source, interest, trades, ended in zip(
            bars.time.tolist(),
            *columns,
            bars.vwap_sources(),
            bars.open_interest.tolist(),
            bars.trades.tolist(),
            found.complete.tolist(),
            strict=True,
        )
    ]
