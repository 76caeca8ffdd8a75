"""Export the Greeks of one option's bars as one stream (docs/history.md)."""

from collections.abc import Iterator
from functools import cache

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.exports.negotiation import ErrorsAsProblems
from batch.exports.ranges import Part, file_response, format_field
from batch.exports.responses import STREAM
from batch.jobs.historical_greeks import Asked, kind, range_serializer, read_asked
from signalsite.foundation.computations.columns import IDENTITY
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.timeframe import format_timeframe

_KEY = IDENTITY[2]


@cache
def export_serializer() -> type[StrictSerializer]:
    fields = {"format": format_field(), "__doc__": range_serializer().__doc__}
    return type("HistoricalGreeksExportSerializer", (range_serializer(),), fields)


class HistoricalGreeksExportView(APIView):
    content_negotiation_class = ErrorsAsProblems

    @extend_schema(
        tags=["historical"],
        parameters=[export_serializer()],
        responses=STREAM,
        operation_id="v2_signals_historical_greeks_export",
        summary="Greeks of all bars of one option in a range, as a file",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponseBase:
        asked = read_asked(request, instrument_key, export_serializer())
        name = f"{asked.bars.key}-{format_timeframe(asked.bars.timeframe)}-greeks"
        columns = (_KEY, *kind().columns_for(asked.params))
        return file_response(request, asked.query.get("format", ""), name, columns, lambda _: _parts(asked))


def _parts(asked: Asked) -> Iterator[Part]:
    for _, _, columns in asked.blocks():
        yield {_KEY.name: [asked.bars.key] * len(columns["status"]), **columns}
