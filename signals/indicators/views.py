"""Indicators over HTTP: what there is, the newest values, and pages of history."""

from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from signals.indicators import examples
from signals.indicators.core.catalogue import Indicator, indicators, library_version
from signals.indicators.core.spec import MOST_OFFSET, OFFSET, SOURCE, Spec
from signals.indicators.kept_pages import IndicatorPage, basis_of_newest, basis_of_page, look_up, open_until
from signals.indicators.requests import PREFIX, read_query
from signals.indicators.selectors import Computed, read_indicator, read_newest
from signals.indicators.serializers import (
    IndicatorPageQuerySerializer,
    IndicatorPageSerializer,
    IndicatorsQuerySerializer,
    IndicatorsSerializer,
    NewestIndicatorQuerySerializer,
    NewestIndicatorSerializer,
)
from signalsite.foundation.conditional import conditional_bytes, page_of
from signalsite.foundation.serializers import read_query as read_plain_query
from timeframes.bars.changes import Moment
from timeframes.bars.pages import name_of
from timeframes.bars.requests import Asked, read_asked, read_key, stored_or_404
from timeframes.bars.stored import Wanted
from timeframes.core.grid import Anchor, check_anchor, default_anchor, instant
from timeframes.core.timeframe import format_timeframe

DEFAULT_TIMEFRAME = 60
PARAMETERS = [
    OpenApiParameter(
        name="length",
        type={"type": "integer", "minimum": 1, "maximum": 1000},
        description="Of most indicators. Every parameter of the indicator stands in the query under its own name; "
        f"`GET indicators` lists them. Of two with one name, the indicator's has `{PREFIX}` before it: "
        f"`{PREFIX}anchor=W`.",
    ),
    OpenApiParameter(
        name="offset",
        type={"type": "integer", "minimum": 0, "maximum": MOST_OFFSET},
        description="By how many bars the values come later.",
    ),
]


class IndicatorsView(APIView):
    @extend_schema(
        tags=["indicators"],
        responses=IndicatorsSerializer,
        examples=[examples.INDICATORS],
        operation_id="v2_signals_indicators_list",
        summary="All indicators, with their parameters, outputs, warm-up, formulas and sources",
    )
    def get(self, request: Request) -> HttpResponse:
        read_plain_query(IndicatorsQuerySerializer, request)
        return conditional_bytes(request, listing())


class IndicatorHistoryView(APIView):
    @extend_schema(
        tags=["historical"],
        parameters=[IndicatorPageQuerySerializer, *PARAMETERS],
        responses=IndicatorPageSerializer,
        examples=[examples.PAGE],
        operation_id="v2_signals_historical_indicators",
        summary="An indicator on the bars of one instrument, with the history that its values need",
    )
    def get(self, request: Request, instrument_key: str, indicator: str) -> HttpResponse:
        query, spec = read_query(IndicatorPageQuerySerializer, request, indicator)
        now = timezone.now()
        asked = read_asked(instrument_key, query)
        asked.check_range(now)
        found = look_up(
            _name(asked, spec, query["limit"]), now, partial(_history_page, asked, spec, query["limit"], now)
        )
        return page_of(request, found.body, "", found.following)


class NewestIndicatorView(APIView):
    @extend_schema(
        tags=["realtime"],
        parameters=[NewestIndicatorQuerySerializer, *PARAMETERS],
        responses=NewestIndicatorSerializer,
        examples=[examples.NEWEST],
        operation_id="v2_signals_realtime_indicators",
        summary="An indicator on the newest bars of one instrument, of which the last may be forming",
    )
    def get(self, request: Request, instrument_key: str, indicator: str) -> HttpResponse:
        query, spec = read_query(NewestIndicatorQuerySerializer, request, indicator)
        now = timezone.now()
        key, exchange = read_key(instrument_key)
        anchor = Anchor(query["anchor"]) if "anchor" in query else default_anchor(exchange)
        timeframe = query.get("timeframe", DEFAULT_TIMEFRAME)
        check_anchor(timeframe, anchor)
        asked = Asked(key, exchange, timeframe, anchor, instant(0), None)
        name = f"newest {_name(asked, spec, query['bars'])}"
        found = look_up(name, now, partial(_newest_page, asked, spec, query["bars"], now))
        return conditional_bytes(request, found.body)


def _name(asked: Asked, spec: Spec, count: int) -> str:
    return f"{name_of(asked, count)} {spec}"


def _history_page(asked: Asked, spec: Spec, limit: int, now: datetime, moment: Moment | None) -> IndicatorPage:
    wanted = asked.wanted(stored_or_404(asked.key), now)
    found = read_indicator(wanted, spec, limit=limit, now=now)
    following = None if found.following is None else found.following.isoformat()
    body = orjson.dumps({**_head(wanted, spec, found), "next_cursor": following, "data": _rows(found)})
    basis = basis_of_page(wanted, found, moment, open_end=asked.end is None, now=now)
    return IndicatorPage(body, following, basis)


def _newest_page(asked: Asked, spec: Spec, bars: int, now: datetime, moment: Moment | None) -> IndicatorPage:
    wanted = asked.wanted(stored_or_404(asked.key), now)
    found = read_newest(wanted, spec, bars=bars, now=now)
    body = orjson.dumps({**_head(wanted, spec, found), "data": _rows(found)})
    basis = basis_of_newest(wanted, found, moment, now)
    return IndicatorPage(body, basis=basis, until=open_until(wanted, found, now))


def _head(wanted: Wanted, spec: Spec, found: Computed) -> dict[str, Any]:
    history = found.history
    return {
        "instrument_key": wanted.key,
        "indicator": str(spec),
        "parameters": {**dict(spec.params), "offset": spec.offset},
        "outputs": list(found.outputs),
        "timeframe": format_timeframe(wanted.timeframe),
        "seconds": wanted.timeframe if isinstance(wanted.timeframe, int) else None,
        "anchor": wanted.anchor.value,
        "warm_up": {"needed": history.needed, "loaded": len(history.bars), "whole": history.whole},
    }


def _rows(found: Computed) -> list[dict[str, Any]]:
    """Return a row for each bar. orjson writes NaN as null."""
    names = list(found.outputs)
    values = zip(*(each.tolist() for each in found.outputs.values()), strict=True)
    return [
        {"time": instant(time), "complete": ended, "values": dict(zip(names, row, strict=True))}
        for time, ended, row in zip(found.bars.time.tolist(), found.complete.tolist(), values, strict=True)
    ]


@lru_cache(maxsize=1)
def listing() -> bytes:
    """Return the list of all indicators as JSON."""
    rows = [_listed(each) for each in indicators().values()]
    return orjson.dumps({"library": f"pandas-ta-classic {library_version()}", "data": rows})


def _listed(each: Indicator) -> dict[str, Any]:
    arguments = [*each.arguments.values(), OFFSET, *([SOURCE] if each.takes_source else [])]
    return {
        "name": each.name,
        "category": each.category,
        "title": each.title,
        "inputs": each.inputs,
        "parameters": [
            {"name": one.name, "type": one.type.__name__, "default": one.default, "allowed": one.allowed()}
            for one in arguments
        ],
        "outputs": each.outputs,
        "warm_up": {"first": each.first, "bars": each.warm_up},
        "formula": each.formula,
        "sources": each.sources,
        "available": not each.missing,
        "reason": each.missing or None,
    }
