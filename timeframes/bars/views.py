"""Bars over HTTP."""

from datetime import datetime

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from signalsite.foundation.conditional import conditional, page_of
from signalsite.foundation.serializers import read_query
from timeframes.bars import examples
from timeframes.bars.lookup import COUNTS, flush, look_up
from timeframes.bars.lookup import read_query as read_page_query
from timeframes.bars.requests import read_key, stored_or_404
from timeframes.bars.serializers import (
    AvailableTimeframesSerializer,
    BarsPageSerializer,
    BarsQuerySerializer,
    NoQuerySerializer,
)
from timeframes.core.grid import default_anchor
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
        now = timezone.now()
        found = look_up(*read_page_query(instrument_key, tuple(request.query_params.dict().items())), now)
        if COUNTS.due():
            flush(now)
        return page_of(request, found.body, found.etag, found.following)


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
