"""The instrument service over HTTP. Another Signal Service can use these addresses as its INSTRUMENT_SERVICE_URL."""

from collections.abc import Callable
from typing import Any

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from moneyness.core.level_grammar import read_level
from moneyness.instrument_service import queries
from moneyness.instrument_service.chosen import instrument_service, mappings
from moneyness.instrument_service.contract import InstrumentServiceClient, InstrumentServiceError, NothingKnown
from moneyness.instrument_service.core import answers
from moneyness.instrument_service.own import NewestSmile
from signalsite.foundation.conditional import conditional_bytes
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.openapi import reference
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import parse_key

TAGS = ["instrument-service"]
ANSWERS = (
    *(answers.MoneynessMapping, answers.LevelInstruments, answers.OptionMoneyness, answers.AtmVolatility),
    *(answers.DeltaStrikeFound, answers.MoneynessHistory, answers.InstrumentMetadata),
)
Ask = Callable[[InstrumentServiceClient, dict[str, Any]], msgspec.Struct]


class ServiceAway(APIException):
    status_code = 503
    wait = 29  # Retry-After: 30, when the circuit breaker tries again


class _View(APIView):
    newest: NewestSmile | None = None
    query: type[StrictSerializer]
    ask: Ask

    def answer(self, request: Request) -> HttpResponse:
        asked = queries.read(request, self.query)
        service = instrument_service(self.newest)
        try:
            found = type(self).ask(service, asked)
        except NothingKnown as error:
            raise NotFound(str(error)) from error
        except InstrumentServiceError as error:
            raise ServiceAway(str(error)) from error
        return conditional_bytes(request, msgspec.json.encode(found))


def _view(name: str, kind: type, query: type[StrictSerializer], summary: str, ask: Ask) -> type[APIView]:
    def get(self: _View, request: Request) -> HttpResponse:
        return self.answer(request)

    described = extend_schema(
        tags=TAGS,
        parameters=[query],
        responses={200: OpenApiResponse(response=reference(kind)), 404: None},
        operation_id=f"v2_signals_instrument_service_{name}",
        summary=summary,
    )(get)
    return type(f"{kind.__name__}View", (_View,), {"query": query, "ask": staticmethod(ask), "get": described})


def _mapping(service: InstrumentServiceClient, asked: dict[str, Any]) -> msgspec.Struct:
    return mappings(service).get(asked["underlying"], asked.get("expiry"))


def _level(service: InstrumentServiceClient, asked: dict[str, Any]) -> msgspec.Struct:
    read_level(asked["level"], 1000)  # no other service is asked for what is no level
    return service.level(asked["underlying"], asked["level"], asked.get("expiry"))


def _moneyness(service: InstrumentServiceClient, asked: dict[str, Any]) -> msgspec.Struct:
    if not parse_key(asked["instrument_key"]).product.is_option:
        raise InvalidInput("instrument_key", f"{asked['instrument_key']} is no option")
    return service.moneyness(asked["instrument_key"])


VIEWS = {
    "mapping": _view(
        "mapping", answers.MoneynessMapping, queries.UnderlyingQuery, "Strikes of each moneyness level", _mapping
    ),
    "level": _view(
        "level", answers.LevelInstruments, queries.LevelQuery, "Strikes and contracts of one moneyness level", _level
    ),
    "moneyness": _view("moneyness", answers.OptionMoneyness, queries.KeyQuery, "Moneyness of one option", _moneyness),
    "atm-iv": _view(
        "atm_iv",
        answers.AtmVolatility,
        queries.UnderlyingQuery,
        "Volatility at the money",
        lambda service, asked: service.atm_volatility(asked["underlying"], asked.get("expiry")),
    ),
    "otm-delta": _view(
        "otm_delta",
        answers.DeltaStrikeFound,
        queries.DeltaQuery,
        "The option at a delta",
        lambda service, asked: service.otm_delta(
            asked["underlying"], asked["delta"], asked["option_type"], asked.get("expiry")
        ),
    ),
    "history": _view(
        "history",
        answers.MoneynessHistory,
        queries.HistoryQuery,
        "What was at the money",
        lambda service, asked: service.history(asked["underlying"], asked["start_time"], asked["end_time"]),
    ),
    "metadata": _view(
        "metadata",
        answers.InstrumentMetadata,
        queries.KeyQuery,
        "Facts about one instrument",
        lambda service, asked: service.metadata(asked["instrument_key"]),
    ),
}
