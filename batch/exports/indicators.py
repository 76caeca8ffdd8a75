"""Export an indicator on the bars of one instrument as one stream (docs/indicators.md)."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.exports.negotiation import ErrorsAsProblems
from batch.exports.ranges import Part, file_response, format_field
from batch.exports.responses import STREAM
from signals.indicators.core.spec import Spec
from signals.indicators.requests import read_query
from signals.indicators.selectors import read_all_with
from signals.indicators.serializers import IndicatorRangeSerializer
from signals.indicators.views import PARAMETERS
from signalsite.foundation.computations.columns import Column
from timeframes.bars.requests import read_asked, stored_or_404
from timeframes.bars.stored import Wanted
from timeframes.core.grid import instant
from timeframes.core.timeframe import format_timeframe

COLUMNS = (
    Column("instrument_key", str, "Which instrument."),
    Column("time", str, "The beginning of the bar, ISO 8601 in UTC."),
    Column("output", str, "Which of the indicator's outputs."),
    Column("value", float, "null where there is none."),
    Column("complete", bool, "false: the bar is still open."),
)
MOST_ROWS = 20_000
"""Of a part, which the library computes as a whole."""


class IndicatorExportQuerySerializer(IndicatorRangeSerializer):
    format = format_field()


class IndicatorExportView(APIView):
    content_negotiation_class = ErrorsAsProblems

    @extend_schema(
        tags=["historical"],
        parameters=[IndicatorExportQuerySerializer, *PARAMETERS],
        responses=STREAM,
        operation_id="v2_signals_historical_indicators_export",
        summary="An indicator on all bars of one instrument in a range, as a file",
    )
    def get(self, request: Request, instrument_key: str, indicator: str) -> HttpResponseBase:
        query, spec = read_query(IndicatorExportQuerySerializer, request, indicator)
        now = timezone.now()
        asked = read_asked(instrument_key, query)
        asked.check_range(now)
        wanted = asked.wanted(stored_or_404(asked.key), now)
        name = f"{wanted.key}-{format_timeframe(wanted.timeframe)}-{spec.name}"
        return file_response(
            request,
            query.get("format", ""),
            name,
            COLUMNS,
            lambda chosen: _parts(wanted, spec, min(chosen.rows_per_page, MOST_ROWS), now),
        )


def _parts(wanted: Wanted, spec: Spec, rows: int, now: datetime) -> Iterator[Part]:
    for found in read_all_with(wanted, spec, rows, now):
        names, times = list(found.outputs), [instant(time).isoformat() for time in found.bars.time.tolist()]
        yield {
            "instrument_key": [wanted.key] * (len(times) * len(names)),
            "time": [time for time in times for _ in names],
            "output": names * len(times),
            "value": np.stack(list(found.outputs.values()), axis=1).ravel(),
            "complete": np.repeat(found.complete, len(names)),
        }
