"""Export the history of a level or of the volatility at the money as one stream (docs/chain-api.md)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.exports.negotiation import ErrorsAsProblems
from batch.exports.ranges import Part, file_response, format_field
from batch.exports.responses import STREAM
from moneyness.history.requests import read_wanted
from moneyness.history.selectors import ValuePage, read_parts
from moneyness.history.serializers import AtmRangeSerializer, LevelRangeSerializer
from moneyness.history.values import Source, Wanted
from moneyness.history.views import columns_of
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.serializers import read_query
from timeframes.core.grid import bars_at_most
from timeframes.core.timeframe import format_timeframe

MOST_COMPUTED = 2_000
"""Bars of a file that may have to be computed: a stream of more would take many minutes."""
COLUMNS = (
    Column("underlying", str, "Which underlying."),
    Column("time", str, "The beginning of the bar, ISO 8601 in UTC."),
    *(Column(name, float, "As in the pages.") for name in ("open", "high", "low", "close", "mean")),
    Column("count", int, "Instants with a value."),
    Column("source", str, "recorded or computed."),
    Column("reason", str, "Why there is no value."),
    Column("complete", bool, "false: the bar is still open."),
)


class LevelExportQuerySerializer(LevelRangeSerializer):
    format = format_field()


class AtmExportQuerySerializer(AtmRangeSerializer):
    format = format_field()


class _ExportView(APIView):
    content_negotiation_class = ErrorsAsProblems

    def answer(self, request: Request, underlying: str, level: str, query: dict[str, Any]) -> HttpResponseBase:
        now = timezone.now()
        wanted = read_wanted(underlying, level, query, now)
        _check_size(wanted, now)
        name = f"{wanted.underlying}-{level or 'atm'}-{wanted.value}-{format_timeframe(wanted.timeframe)}"
        return file_response(
            request, query.get("format", ""), name, COLUMNS, lambda chosen: _parts(wanted, chosen.rows_per_page, now)
        )


class LevelExportView(_ExportView):
    @extend_schema(
        tags=["historical"],
        parameters=[LevelExportQuerySerializer],
        responses=STREAM,
        operation_id="v2_signals_historical_moneyness_greeks_export",
        summary="One value of a moneyness level in a range, as a file",
    )
    def get(self, request: Request, underlying: str, moneyness_level: str) -> HttpResponseBase:
        return self.answer(request, underlying, moneyness_level, read_query(LevelExportQuerySerializer, request))


class AtmExportView(_ExportView):
    @extend_schema(
        tags=["historical"],
        parameters=[AtmExportQuerySerializer],
        responses=STREAM,
        operation_id="v2_signals_historical_moneyness_atm_iv_export",
        summary="Volatility at the money in a range, as a file",
    )
    def get(self, request: Request, underlying: str) -> HttpResponseBase:
        return self.answer(request, underlying, "", read_query(AtmExportQuerySerializer, request))


def _check_size(wanted: Wanted, now: datetime) -> None:
    """Raise InvalidInput for a file of which too much could have to be computed."""
    if wanted.source is Source.RECORDED:
        return
    days = (min(wanted.end, now) - wanted.begin).total_seconds() / 86_400.0
    most = bars_at_most(wanted.exchange, wanted.timeframe, wanted.anchor, max(days, 0.0))
    if most > MOST_COMPUTED:
        raise InvalidInput(
            "source",
            f"up to {most} bars might have to be computed, {MOST_COMPUTED} are allowed: narrow the range, or "
            "ask for source=recorded",
        )


def _parts(wanted: Wanted, rows: int, now: datetime) -> Iterator[Part]:
    for _, bars, complete in read_parts(wanted, rows, now):
        columns = columns_of(ValuePage(bars, complete, None))
        yield {"underlying": [wanted.underlying] * len(bars), **columns}
