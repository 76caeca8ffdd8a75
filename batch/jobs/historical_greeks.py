"""The Greeks of one option's bars over HTTP, page by page (docs/history.md)."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.jobs.instrument_greeks import from_query, option_key_of
from signals.computations.historical_greeks import HistoricalGreeks
from signals.history.core.points import Extremes
from signals.history.kept_markets import OF_PAGES
from signals.history.selectors import History
from signals.history.selectors import Wanted as HistoryWanted
from signals.history.services import answer_one, read_blocks
from signalsite.foundation.computations.registry import find
from signalsite.foundation.computations.requests import params_serializer, result_serializer
from signalsite.foundation.conditional import page
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.fields import Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from timeframes.bars.requests import read_wanted
from timeframes.bars.selectors import PAGE_SECONDS, TOO_MUCH
from timeframes.bars.serializers import LONGEST_MOMENT, BarsRangeSerializer
from timeframes.bars.stored import Wanted
from timeframes.core.grid import Anchor, instant, microseconds
from timeframes.core.timeframe import format_timeframe

DEFAULT_LIMIT, MOST_BARS = 250, 2_500
_RANGE = ("timeframe", "start_time", "end_time", "anchor", "cursor", "limit", "format")


def kind() -> HistoricalGreeks:
    found = find("historical_greeks")
    assert isinstance(found, HistoricalGreeks)
    return found


@cache
def range_serializer() -> type[StrictSerializer]:
    """Take a range of bars, and the parameters of the computation that the range does not say."""
    doc = "The range, and the parameters of historical_greeks."
    fields = {"days": None, "__doc__": doc}  # the range says it
    return type("HistoricalGreeksRangeSerializer", (BarsRangeSerializer, params_serializer(kind())), fields)


@cache
def query_serializer() -> type[StrictSerializer]:
    limit = Whole(
        required=False,
        default=DEFAULT_LIMIT,
        min_value=1,
        max_value=MOST_BARS,
        help_text="Bars in a page, each with a row for each of `points`.",
    )
    cursor = Text(required=False, max_length=LONGEST_MOMENT, help_text="`next_cursor` of a page.")
    fields = {"cursor": cursor, "limit": limit, "__doc__": range_serializer().__doc__}
    return type("HistoricalGreeksQuerySerializer", (range_serializer(),), fields)


@cache
def page_serializer() -> type[serializers.Serializer]:
    fields = {
        "instrument_key": serializers.CharField(),
        "timeframe": serializers.CharField(help_text="In its shortest form: 60m is 1h."),
        "seconds": serializers.IntegerField(allow_null=True, help_text="Its length; null for months."),
        "anchor": serializers.ChoiceField([each.value for each in Anchor]),
        "next_cursor": serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page."),
        "data": result_serializer(kind())(many=True),
    }
    return type("HistoricalGreeksPageSerializer", (serializers.Serializer,), fields)


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. `query` has everything that it said, with the defaults."""

    bars: Wanted
    params: Mapping[str, Any]
    query: Mapping[str, Any]
    now: datetime

    def blocks(self) -> Iterator[tuple[datetime, int, dict[str, np.ndarray]]]:
        """Yield the answers of one stretch after the other: the moment it reaches to, its bars, its columns."""
        bars, computation = self.bars, kind()
        conventions = computation.conventions(self.params)
        wanted = HistoryWanted(exchange=bars.exchange, timeframe=bars.timeframe, anchor=bars.anchor, until=self.now)
        history = History([bars.key], wanted, bars.begin, conventions, OF_PAGES)
        extremes, names = (
            Extremes(self.params["extremes"]),
            [each.name for each in computation.columns_for(self.params)],
        )
        for until, block in read_blocks(history, [bars.stored], bars.begin, bars.end):
            columns = answer_one(block, conventions, self.params["points"], extremes, names, computation.verdicts)
            yield until, len(block.bars[0]), columns


def read_asked(request: Request, instrument_key: str, serializer: type[StrictSerializer]) -> Asked:
    """Raises InvalidInput or ValidationError, which name the field, and NotFound if nothing of it is stored."""
    now = timezone.now()
    given = serializer(data=from_query(kind(), request.query_params))
    given.is_valid(raise_exception=True)
    query = dict(given.validated_data)
    key = option_key_of(instrument_key)
    bars = read_wanted(key, query, now)
    params = {name: value for name, value in query.items() if name not in _RANGE}
    return Asked(bars, params, query, now)


class HistoricalGreeksView(APIView):
    @extend_schema(
        tags=["historical"],
        parameters=[query_serializer()],
        responses=page_serializer(),
        operation_id="v2_signals_historical_greeks",
        summary="Greeks of one option at the open, high, low and close of its bars",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        asked = read_asked(request, instrument_key, query_serializer())
        rows, following = _page(asked, asked.query["limit"])
        timeframe = asked.bars.timeframe
        head = {
            "instrument_key": asked.bars.key,
            "timeframe": format_timeframe(timeframe),
            "seconds": timeframe if isinstance(timeframe, int) else None,
            "anchor": asked.bars.anchor.value,
        }
        return page(request, head, following, rows)


def _page(asked: Asked, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of the first bars of the range, at most `limit` bars, and the cursor if more follow.

    A page that takes long ends early, with fewer bars or none. Raises ReadTooSlow if a single statement does.
    """
    rows, bars, begun, points = list[dict[str, Any]](), 0, time.monotonic(), len(asked.params["points"])
    with within_time(TOO_MUCH):
        for until, count, columns in asked.blocks():
            lists = {name: column.tolist() for name, column in columns.items()}
            rows += [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
            bars += count
            if bars > limit:
                rows = rows[: limit * points]
                return rows, rows[-1]["bar_time"]
            if time.monotonic() - begun > PAGE_SECONDS and until < asked.bars.end:
                return rows, instant(microseconds(until) - 1).isoformat()
    return rows, None
