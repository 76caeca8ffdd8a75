"""The Greeks of one stored instrument over HTTP, without a job."""

import re
from functools import cache
from typing import Any

import orjson
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.jobs import services
from batch.jobs.core.items import Items
from batch.jobs.examples import INSTRUMENT_GREEKS_EXAMPLE
from batch.jobs.services import Submission
from signals.instruments.listing import find_listed
from signals.instruments.views import TAGS, checked_key
from signalsite.foundation.computations.contract import Computation, Parameter
from signalsite.foundation.computations.files import split_names
from signalsite.foundation.computations.registry import find
from signalsite.foundation.computations.requests import params_serializer, pascal, receipt_fields, row_serializer
from signalsite.foundation.conditional import conditional
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Text
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import parse_key
from timeframes.core.sessions import parse_instant

GREEKS = "greeks"
_NUMBERS: dict[type, re.Pattern[str]] = {
    float: re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", re.ASCII),
    int: re.compile(r"-?[0-9]{1,18}", re.ASCII),
}
_FLAGS = {"true": True, "false": False}


def from_query(computation: Computation, query: QueryDict) -> dict[str, Any]:
    """Return the query's parameters as the JSON values that a body would have.

    A list is given as a=1,2 or as a=1&a=2. Of another parameter the last value counts. A text that cannot be read as
    its parameter's type stays a text, which the serializer refuses by its name.
    """
    types = {each.name: each for each in computation.parameters}
    found: dict[str, Any] = {}
    for name, texts in query.lists():
        parameter = types.get(name)
        if parameter is None:
            found[name] = texts[-1]
        elif parameter.most:
            found[name] = [_value(parameter, part) for text in texts for part in split_names(text)]
        else:
            found[name] = _value(parameter, texts[-1])
    return found


def _value(parameter: Parameter, text: str) -> Any:
    if parameter.nullable and text == "null":
        return None
    if parameter.type is bool:
        return _FLAGS.get(text, text)
    if parameter.type is str:
        return text
    return parameter.type(text) if _NUMBERS[parameter.type].fullmatch(text) else text


@cache
def query_serializer(computation: Computation) -> type[StrictSerializer]:
    """Take `as_of` and every parameter of the computation, each optional."""
    as_of = Text(
        required=False,
        max_length=40,
        help_text="ISO 8601 instant, in the exchange's zone where it has no offset; a date means the close of that "
        "session. Default: the instrument's newest stored quote.",
    )
    fields = {"as_of": as_of, "__doc__": f"The instant and the parameters of {computation.name}."}
    return type(f"{pascal(computation.name)}QuerySerializer", (params_serializer(computation),), fields)


@cache
def answer_serializer(computation: Computation) -> type[serializers.Serializer]:
    fields = {
        "instrument_key": serializers.CharField(),
        "as_of": serializers.DateTimeField(),
        "params": params_serializer(computation)(help_text="Every parameter with its default filled in."),
        **receipt_fields(computation),
        "greeks": row_serializer(computation)(help_text="The row that `POST batch/greeks` answers for this item."),
    }
    return type(f"Instrument{pascal(computation.name)}Serializer", (serializers.Serializer,), fields)


class InstrumentGreeksView(APIView):
    @extend_schema(
        tags=TAGS,
        parameters=[query_serializer(find(GREEKS))],
        responses=answer_serializer(find(GREEKS)),
        examples=[INSTRUMENT_GREEKS_EXAMPLE],
        operation_id="v2_signals_instruments_greeks",
        summary="Greeks of one option at an instant, computed from what is stored",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        computation = find(GREEKS)
        query = query_serializer(computation)(data=from_query(computation, request.query_params))
        query.is_valid(raise_exception=True)
        params = dict(query.validated_data)
        as_of = params.pop("as_of", None)
        key = _option(instrument_key)
        submission = Submission(
            computation=computation,
            params=params,
            as_of=parse_instant(as_of, parse_key(key).exchange) if as_of else None,
        )
        answer = services.answer_now(submission, Items([key], [None]), timezone.now())
        head = {"instrument_key": key, "as_of": answer.as_of, "params": params, **answer.receipt}
        (row,) = orjson.loads(answer.rows)
        return conditional(request, {**head, "greeks": row})


def _option(text: str) -> str:
    """Raises InvalidInput for what is no option's key, NotFound for an option that is not stored."""
    key = checked_key(text, "instrument_key")
    if not parse_key(key).product.is_option:
        raise InvalidInput("instrument_key", f"{key} is no option")
    if find_listed(key) is None:
        raise NotFound(f"no instrument {key} is known")
    return key
