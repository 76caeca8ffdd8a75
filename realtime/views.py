"""The live snapshot over HTTP: what the tick consumer last told of an instrument or a chain, with its age."""

from datetime import UTC, datetime

import orjson
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from realtime.core.chain_request import parse_strikes
from realtime.selectors import live_chain, live_values
from realtime.serializers import MAX_KEYS, ChainQuerySerializer, GreeksBodySerializer, GreeksQuerySerializer
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, Product, parse_key

TAGS = ["realtime"]


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _checked(text: str, field: str) -> InstrumentKey:
    """Raises InvalidInput under the name that the caller knows the key by."""
    try:
        key = parse_key(text)
        exchange_named(key.exchange)
    except InvalidInput as error:
        raise InvalidInput(field, str(error)) from error
    return key


def _many(keys: list[str], field: str) -> HttpResponse:
    """One object for each key, in their order: its state, or {"instrument_key", "status"}, the status being `not_found`
    or `unreadable`."""
    if not 1 <= len(keys) <= MAX_KEYS:
        raise InvalidInput(field, f"1 to {MAX_KEYS} keys at once, not {len(keys)}")
    for place, key in enumerate(keys):
        _checked(key, f"{field}[{place}]")
    values = live_values(keys, datetime.now(UTC))
    bodies = [
        orjson.dumps({"instrument_key": key, "status": "not_found"}) if value is None else value.body
        for key, value in zip(keys, values, strict=True)
    ]
    return _json(b'{"data":[' + b",".join(bodies) + b"]}")


class LiveGreeksView(APIView):
    @extend_schema(tags=TAGS, responses={200: OpenApiTypes.OBJECT}, summary="Live Greeks of one instrument")
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        _checked(instrument_key, "instrument_key")
        (value,) = live_values([instrument_key], datetime.now(UTC))
        if value is None:
            raise NotFound(f"no live value of {instrument_key}")
        return _json(value.body)


class ManyLiveGreeksView(APIView):
    @extend_schema(
        operation_id="v2_signals_realtime_greeks_list",
        tags=TAGS,
        parameters=[GreeksQuerySerializer],
        responses={200: OpenApiTypes.OBJECT},
        summary="Live Greeks of up to 500 instruments",
    )
    def get(self, request: Request) -> HttpResponse:
        query = GreeksQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return _many([key for key in query.validated_data["keys"].split(",") if key], "keys")

    @extend_schema(
        tags=TAGS,
        request=GreeksBodySerializer,
        responses={200: OpenApiTypes.OBJECT},
        summary="Live Greeks of up to 500 instruments, named in the body",
    )
    def post(self, request: Request) -> HttpResponse:
        body = GreeksBodySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _many(body.validated_data["instrument_keys"], "instrument_keys")


class LiveChainView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[ChainQuerySerializer],
        responses={200: OpenApiTypes.OBJECT},
        summary="Live option chain of one expiry",
    )
    def get(self, request: Request, underlying: str) -> HttpResponse:
        query = ChainQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        if "@" not in underlying and "/" not in underlying:
            underlying = f"{settings.DEFAULT_EXCHANGE}@{underlying}"
        if _checked(underlying, "underlying").product not in (Product.UNDERLYING, Product.CRYPTO_SPOT):
            raise InvalidInput("underlying", f"{underlying} is no underlying, such as NSE@NIFTY")
        expiry = query.validated_data.get("expiry")
        body = live_chain(underlying, expiry, parse_strikes(query.validated_data["strikes"]), datetime.now(UTC))
        if body is None:
            raise NotFound(f"no live options of {underlying}{f' that expire on {expiry}' if expiry else ''}")
        return _json(body)
