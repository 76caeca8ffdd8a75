"""The live snapshot over HTTP: the newest state of an instrument or a chain, with its age.

`signalsite.front` answers most reads before Django sees them (`realtime.urls`), with the same `reads`.
"""

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from realtime.snapshot import reads, shapes
from realtime.snapshot.core.chain_request import parse_strikes
from realtime.snapshot.past import past_chain, read_instant
from realtime.snapshot.selectors import Reading, run
from realtime.snapshot.serializers import ChainQuerySerializer, GreeksBodySerializer, GreeksQuerySerializer
from signalsite.foundation.conditional import conditional_bytes
from signalsite.foundation.deadlines import within_time
from timeframes.core.keys import parse_key

TAGS = ["realtime"]
MANY = OpenApiResponse(shapes.MANY, examples=[OpenApiExample("One of two is live", shapes.MANY_EXAMPLE)])


def _json(reading: Reading[bytes]) -> HttpResponse:
    return HttpResponse(run(reading), headers=reads.HEADERS)


class LiveGreeksView(APIView):
    @extend_schema(
        tags=TAGS,
        responses={200: OpenApiResponse(shapes.ONE, examples=[OpenApiExample("A call", shapes.ONE_EXAMPLE)])},
        summary="Live Greeks of one instrument",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        return _json(reads.one(instrument_key, {}))


class ManyLiveGreeksView(APIView):
    @extend_schema(
        operation_id="v2_signals_realtime_greeks_list",
        tags=TAGS,
        parameters=[GreeksQuerySerializer],
        responses={200: MANY},
        summary="Live Greeks of up to 500 instruments",
    )
    def get(self, request: Request) -> HttpResponse:
        return _json(reads.listed("", request.query_params.dict()))

    @extend_schema(
        tags=TAGS,
        request=GreeksBodySerializer,
        responses={200: MANY},
        summary="Live Greeks of up to 500 instruments, named in the body",
    )
    def post(self, request: Request) -> HttpResponse:
        body = GreeksBodySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _json(reads.many(body.validated_data["instrument_keys"], "instrument_keys"))


class LiveChainView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[ChainQuerySerializer],
        responses={200: OpenApiResponse(shapes.CHAIN, examples=[OpenApiExample("One strike", shapes.CHAIN_EXAMPLE)])},
        summary="Option chain of one expiry, live or as it stood at a past instant",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        parameters = request.query_params.dict()
        if "as_of" not in parameters:
            return _json(reads.chain(underlying, parameters))
        expiry, strikes, as_of = reads.chain_query(parameters)
        key = reads.underlying_key(underlying)
        instant = read_instant(as_of, parse_key(key).exchange, timezone.now())
        with within_time("the chain is made of too much data: ask for fewer strikes"):
            body = past_chain(key, expiry, parse_strikes(strikes), instant)
        return conditional_bytes(request, body)
