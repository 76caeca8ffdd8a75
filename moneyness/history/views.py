"""Histories of levels and of the volatility at the money over HTTP, page by page (docs/chain-api.md)."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from moneyness.core.value_bars import COMPUTED, RECORDED
from moneyness.history import examples
from moneyness.history.rank import read_rank
from moneyness.history.requests import read_wanted
from moneyness.history.selectors import ValuePage, read_page
from moneyness.history.serializers import (
    AtmQuerySerializer,
    AtmRankSerializer,
    LevelQuerySerializer,
    RankQuerySerializer,
    ValueHistorySerializer,
)
from moneyness.history.values import Wanted
from signalsite.foundation.conditional import conditional, page
from signalsite.foundation.serializers import read_query
from timeframes.core.grid import instant
from timeframes.core.timeframe import format_timeframe

TAGS = ["historical"]


class _HistoryView(APIView):
    def answer(self, request: Request, underlying: str, level: str, query: dict[str, Any]) -> HttpResponse:
        now = timezone.now()
        wanted = read_wanted(underlying, level, query, now)
        found = read_page(wanted, limit=query["limit"], now=now)
        following = None if found.following is None else found.following.isoformat()
        return page(request, head_of(wanted), following, rows_of(found))


class LevelHistoryView(_HistoryView):
    @extend_schema(
        tags=TAGS,
        parameters=[LevelQuerySerializer],
        responses=ValueHistorySerializer,
        examples=[examples.LEVEL],
        operation_id="v2_signals_historical_moneyness_greeks",
        summary="One value of a moneyness level over any timeframe",
    )
    def get(self, request: Request, underlying: str, moneyness_level: str) -> HttpResponse:
        return self.answer(request, underlying, moneyness_level, read_query(LevelQuerySerializer, request))


class AtmHistoryView(_HistoryView):
    @extend_schema(
        tags=TAGS,
        parameters=[AtmQuerySerializer],
        responses=ValueHistorySerializer,
        examples=[examples.ATM],
        operation_id="v2_signals_historical_moneyness_atm_iv_history",
        summary="Volatility at the money, or another value of an expiry, over any timeframe",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        return self.answer(request, underlying, "", read_query(AtmQuerySerializer, request))


class AtmRankView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[RankQuerySerializer],
        responses=AtmRankSerializer,
        examples=[examples.RANK],
        operation_id="v2_signals_historical_moneyness_atm_iv_rank",
        summary="Rank and percentile of the volatility at the money, with realised volatility beside it",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        query = read_query(RankQuerySerializer, request)
        return conditional(request, read_rank(underlying, query, timezone.now()))


def head_of(wanted: Wanted) -> dict[str, Any]:
    return {
        "underlying": wanted.underlying,
        "level": wanted.level or None,
        "side": wanted.side if wanted.level else None,
        "value": wanted.value,
        "expiry": wanted.expiry,
        "tenor": wanted.tenor,
        "timeframe": format_timeframe(wanted.timeframe),
        "anchor": wanted.anchor.value,
    }


def rows_of(found: ValuePage) -> list[dict[str, Any]]:
    columns = columns_of(found)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def columns_of(found: ValuePage) -> dict[str, list[Any]]:
    """Return the columns of a page, NaN for null."""
    bars = found.bars
    return {
        "time": [instant(time).isoformat() for time in bars.time.tolist()],
        **{name: getattr(bars, name).tolist() for name in ("open", "high", "low", "close", "mean", "count")},
        "source": [RECORDED if each else COMPUTED for each in bars.recorded.tolist()],
        "reason": bars.reason.tolist(),
        "complete": found.complete.tolist(),
    }
