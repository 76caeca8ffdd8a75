"""Export the bars of one instrument as one stream (docs/bars.md)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.exports.asgi import SLOT
from batch.exports.formats import FORMATS, Format
from batch.exports.negotiation import CODINGS, ErrorsAsProblems, NoneAcceptable, choose_coding, choose_format
from batch.exports.responses import STREAM
from signalsite.foundation.computations.contract import Column
from timeframes.bars.requests import read_query, read_wanted
from timeframes.bars.selectors import complete, read_all
from timeframes.bars.serializers import BarsRangeSerializer
from timeframes.bars.stored import Wanted
from timeframes.core.bars import FoldedBars
from timeframes.core.grid import instant
from timeframes.core.timeframe import format_timeframe

_NUMBERS = ("open", "high", "low", "close", "volume", "vwap")
COLUMNS = (
    Column("instrument_key", str, "Which instrument."),
    Column("time", str, "The beginning of the bar, ISO 8601 in UTC."),
    *(Column(name, float, "As in the pages.") for name in _NUMBERS),
    Column("vwap_source", str, "trades or typical."),
    Column("open_interest", float, "As in the pages."),
    Column("trades", int, "How many trades, or ticks that traded."),
    Column("complete", bool, "false: the bar is still open."),
)


class BarsExportQuerySerializer(BarsRangeSerializer):
    format = serializers.ChoiceField(
        list(FORMATS), required=False, help_text="Takes precedence over the Accept header."
    )


class BarsExportView(APIView):
    content_negotiation_class = ErrorsAsProblems

    @extend_schema(
        tags=["historical"],
        parameters=[BarsExportQuerySerializer],
        responses=STREAM,
        operation_id="v2_signals_historical_bars_export",
        summary="All bars of one instrument in a range, as a file",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponseBase:
        query, now = read_query(BarsExportQuerySerializer, request), timezone.now()
        wanted = read_wanted(instrument_key, query, now)
        chosen = choose_format(request._request, query.get("format", ""))
        coding = choose_coding(request.headers.get("Accept-Encoding"), ("identity",) if chosen.compressed else CODINGS)
        if coding is None:
            raise NoneAcceptable(f"available content codings: {', '.join(CODINGS)}; parquet has none")
        response: HttpResponseBase = HttpResponse()
        if request.method != "HEAD":
            response = _stream(request, _encoded(wanted, now, chosen, coding))
        name = f"{wanted.key}-{format_timeframe(wanted.timeframe)}".replace("/", "-")
        response["Content-Type"] = chosen.content_type
        response["Content-Disposition"] = f'attachment; filename="{name}.{chosen.name}"'
        response["X-Accel-Buffering"] = "no"  # nginx would buffer the first bytes
        if coding != "identity":
            response["Content-Encoding"] = coding
        if isinstance(request._request, ASGIRequest):
            connections.close_all()  # sending may take long
        return response


def _encoded(wanted: Wanted, now: datetime, format_: Format, coding: str) -> Iterator[bytes]:
    """Yield the file's bytes, a part for each part of the range. A part is sent before the next is read."""
    import pyarrow as pa  # which only exports need

    from batch.exports.codings import Outlet, encoder
    from batch.exports.writers import WRITERS
    from signalsite.foundation.computations.arrow import schema

    columns = schema(COLUMNS)
    outlet = Outlet()
    body = encoder(coding, outlet)
    writer = WRITERS[format_.name](body, columns)
    for bars in read_all(wanted, format_.rows_per_page):
        close_old_connections()  # back to the pool, because the reader may be slow
        if len(bars):
            arrays = [
                pa.array(values, field.type, from_pandas=True)
                for values, field in zip(_values(wanted, bars, now), columns, strict=True)
            ]
            writer.write(pa.Table.from_arrays(arrays, schema=columns))
            body.flush()
            yield outlet.take()
    writer.close()
    body.close()
    yield outlet.take()


def _values(wanted: Wanted, bars: FoldedBars, now: datetime) -> list[Sequence[Any]]:
    return [
        [wanted.key] * len(bars),
        [instant(time).isoformat() for time in bars.time.tolist()],
        *(getattr(bars, name) for name in _NUMBERS),
        bars.vwap_sources(),
        bars.open_interest,
        [None if trades != trades else int(trades) for trades in bars.trades.tolist()],
        complete(wanted, bars.time, now),
    ]


def _stream(request: Request, parts: Iterator[bytes]) -> StreamingHttpResponse:
    from batch.exports.stream import over_threads

    if not isinstance(request._request, ASGIRequest):  # under WSGI, a slow reader holds a thread
        return StreamingHttpResponse(parts)
    if slot := request._request.scope.get(SLOT):
        slot.claim(cast(User, request.user).pk)
    streamed: AsyncIterator[bytes] = over_threads(parts)
    return StreamingHttpResponse(streamed)
