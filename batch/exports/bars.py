"""Export the bars of one instrument as one stream (docs/bars.md)."""

from collections.abc import Iterator
from datetime import datetime

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.exports.negotiation import ErrorsAsProblems
from batch.exports.ranges import Part, file_response, format_field
from batch.exports.responses import STREAM
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.serializers import read_query
from timeframes.bars.requests import read_wanted
from timeframes.bars.selectors import complete, read_all
from timeframes.bars.serializers import BarsRangeSerializer
from timeframes.bars.stored import Wanted
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
    format = format_field()


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
        name = f"{wanted.key}-{format_timeframe(wanted.timeframe)}"
        return file_response(
            request, query.get("format", ""), name, COLUMNS, lambda chosen: _parts(wanted, now, chosen.rows_per_page)
        )


def _parts(wanted: Wanted, now: datetime, rows: int) -> Iterator[Part]:
    for bars in read_all(wanted, rows):
        yield {
            "instrument_key": [wanted.key] * len(bars),
            "time": [instant(time).isoformat() for time in bars.time.tolist()],
            **{name: getattr(bars, name) for name in _NUMBERS},
            "vwap_source": bars.vwap_sources(),
            "open_interest": bars.open_interest,
            "trades": [None if trades != trades else int(trades) for trades in bars.trades.tolist()],
            "complete": complete(wanted, bars.time, now),
        }
