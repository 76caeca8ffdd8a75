"""What chains say over HTTP, live and at past instants.

`signalsite.front` answers the live reads before Django sees them (`realtime.urls`), with the same `chain_reads`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from realtime.snapshot import chain_past, chain_reads, chain_shapes
from realtime.snapshot.chain_queries import (
    ChainQuery,
    DeltaQuerySerializer,
    ExpiryQuerySerializer,
    UnderlyingQuerySerializer,
    level_named,
    read_query,
)
from realtime.snapshot.past import read_instant
from realtime.snapshot.reads import HEADERS, underlying_key
from realtime.snapshot.selectors import Reading, run
from signalsite.foundation.conditional import conditional_bytes
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.openapi import Schema
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import parse_key

TAGS = ["realtime"]
TOO_MUCH = "the chain is made of too much data to read in time"
Past = Callable[[str, ChainQuery, datetime], bytes]


def _responses(shape: Schema, example: dict[str, object]) -> dict[int, OpenApiResponse]:
    return {200: OpenApiResponse(shape, examples=[OpenApiExample("NIFTY", example)])}


class _ChainView(APIView):
    query: ClassVar[type[StrictSerializer]] = ExpiryQuerySerializer

    def answer(self, request: Request, underlying: str, live: Callable[[], Reading[bytes]], past: Past) -> HttpResponse:
        parameters = request.query_params.dict()
        if "as_of" not in parameters:
            return HttpResponse(run(live()), headers=HEADERS)
        query = read_query(self.query, parameters)
        key = underlying_key(underlying)
        instant = read_instant(query.as_of, parse_key(key).exchange, timezone.now())
        with within_time(TOO_MUCH):
            body = past(key, query, instant)
        return conditional_bytes(request, body)


class LevelView(_ChainView):
    @extend_schema(
        tags=TAGS,
        parameters=[ExpiryQuerySerializer],
        responses=_responses(chain_shapes.LEVEL, chain_shapes.LEVEL_EXAMPLE),
        operation_id="v2_signals_realtime_moneyness_greeks",
        summary="Greeks of a moneyness level: of both sides, the calls and the puts",
    )
    def get(self, request: Request, underlying: str, moneyness_level: str) -> HttpResponse:
        def past(key: str, query: ChainQuery, as_of: datetime) -> bytes:
            return chain_past.past_level(key, level_named(moneyness_level), query, as_of)

        parameters = request.query_params.dict()
        return self.answer(
            request, underlying, lambda: chain_reads.level(underlying, moneyness_level, parameters), past
        )


class AtmView(_ChainView):
    @extend_schema(
        tags=TAGS,
        parameters=[ExpiryQuerySerializer],
        responses=_responses(chain_shapes.ATM, chain_shapes.ATM_EXAMPLE),
        operation_id="v2_signals_realtime_moneyness_atm_iv",
        summary="Volatility at the money",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        return self.answer(request, underlying, lambda: chain_reads.atm(underlying, parameters), chain_past.past_atm)


class DeltaView(_ChainView):
    query = DeltaQuerySerializer

    @extend_schema(
        tags=TAGS,
        parameters=[DeltaQuerySerializer],
        responses=_responses(chain_shapes.DELTA, chain_shapes.DELTA_EXAMPLE),
        operation_id="v2_signals_realtime_moneyness_otm_delta",
        summary="The option out of the money at a delta: interpolated, and the nearest contract",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        live = lambda: chain_reads.otm_delta(underlying, parameters)  # noqa: E731
        return self.answer(request, underlying, live, chain_past.past_otm_delta)


class SmileView(_ChainView):
    @extend_schema(
        tags=TAGS,
        parameters=[ExpiryQuerySerializer],
        responses=_responses(chain_shapes.SMILE, chain_shapes.SMILE_EXAMPLE),
        operation_id="v2_signals_realtime_smile",
        summary="The smile of one expiry: its points with what refuses them, and its fit",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        return self.answer(
            request, underlying, lambda: chain_reads.smile(underlying, parameters), chain_past.past_smile
        )


class AnalyticsView(_ChainView):
    @extend_schema(
        tags=TAGS,
        parameters=[ExpiryQuerySerializer],
        responses=_responses(chain_shapes.ANALYTICS, chain_shapes.ANALYTICS_EXAMPLE),
        operation_id="v2_signals_realtime_analytics",
        summary="What one expiry says: max pain, put/call ratios, gamma exposure, walls, skew, expected move",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        return self.answer(
            request, underlying, lambda: chain_reads.analytics(underlying, parameters), chain_past.past_analytics
        )


class TermStructureView(_ChainView):
    query = UnderlyingQuerySerializer

    @extend_schema(
        tags=TAGS,
        parameters=[UnderlyingQuerySerializer],
        responses=_responses(chain_shapes.TERM, chain_shapes.TERM_EXAMPLE),
        operation_id="v2_signals_realtime_term_structure",
        summary="Volatility at the money by expiry, and at constant maturities",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        return self.answer(request, underlying, lambda: chain_reads.term(underlying, parameters), chain_past.past_term)


class SurfaceView(_ChainView):
    query = UnderlyingQuerySerializer

    @extend_schema(
        tags=TAGS,
        parameters=[UnderlyingQuerySerializer],
        responses=_responses(chain_shapes.SURFACE, chain_shapes.SURFACE_EXAMPLE),
        operation_id="v2_signals_realtime_surface",
        summary="The smiles of all expiries, their surface on one grid, and the term structure",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        return self.answer(
            request, underlying, lambda: chain_reads.surface(underlying, parameters), chain_past.past_surface
        )
