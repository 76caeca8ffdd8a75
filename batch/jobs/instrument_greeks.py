"""The Greeks of one option over HTTP, without a job."""

import re
from functools import cache
from typing import Any

import orjson
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.jobs import services
from batch.jobs.core.items import Items
from batch.jobs.examples import INSTRUMENT_GREEKS_EXAMPLE
from batch.jobs.services import Submission
from signals.instruments.views import TAGS, checked_key
from signalsite.foundation.computations.contract import Computation, Override, Parameter
from signalsite.foundation.computations.files import split_names
from signalsite.foundation.computations.registry import find
from signalsite.foundation.computations.requests import (
    override_field,
    params_serializer,
    pascal,
    receipt_fields,
    row_serializer,
)
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
    numbers = {each.name for each in _overrides(computation)}
    found: dict[str, Any] = {}
    for name, texts in query.lists():
        parameter = types.get(name)
        if parameter is None:
            found[name] = _number(float, texts[-1]) if name in numbers else texts[-1]
        elif parameter.most:
            found[name] = [_value(parameter, part) for text in texts for part in split_names(text)]
        else:
            found[name] = _value(parameter, texts[-1])
    return found


def _overrides(computation: Computation) -> list[Override]:
    """Return the overrides whose names no parameter has: the query has room for one value of a name."""
    taken = {each.name for each in computation.parameters}
    return [each for each in computation.overrides if each.name not in taken]


def _value(parameter: Parameter, text: str) -> Any:
    if parameter.nullable and text == "null":
        return None
    if parameter.type is bool:
        return _FLAGS.get(text, text)
    if parameter.type is str:
        return text
    return _number(parameter.type, text)


def _number(kind: type, text: str) -> Any:
    return kind(text) if _NUMBERS[kind].fullmatch(text) else text


@cache
def query_serializer(computation: Computation) -> type[StrictSerializer]:
    """Take `as_of`, every parameter of the computation, and the overrides of other names, each optional."""
    as_of = Text(
        required=False,
        max_length=40,
        help_text="ISO 8601 instant, in the exchange's zone where it has no offset; a date means the close of that "
        "session. Default: the newest stored quote of the option, or of its market if it has none.",
    )
    overrides = {each.name: override_field(each) for each in _overrides(computation)}
    doc = f"The instant, the parameters and the overrides of {computation.name}."
    fields = {"as_of": as_of, **overrides, "__doc__": doc}
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
        summary="Greeks of one option at an instant, computed from what is stored and given",
    )
    def get(self, request: Request, instrument_key: str) -> HttpResponse:
        computation = find(GREEKS)
        query = query_serializer(computation)(data=from_query(computation, request.query_params))
        query.is_valid(raise_exception=True)
        params = dict(query.validated_data)
        as_of = params.pop("as_of", None)
        given = {each.name: {0: params.pop(each.name)} for each in _overrides(computation) if each.name in params}
        key = option_key_of(instrument_key)
        submission = Submission(
            computation=computation,
            params=params,
            as_of=parse_instant(as_of, computation.exchange([key], None)) if as_of else None,
        )
        answer = services.answer_now(submission, Items([key], [None], given), timezone.now())
        head = {"instrument_key": key, "as_of": answer.as_of, "params": params, **answer.receipt}
        (row,) = orjson.loads(answer.rows)
        return conditional(request, {**head, "greeks": row})


def option_key_of(text: str) -> str:
    """Return the option's key in its one form. Raises InvalidInput for what is no option's key."""
    key = checked_key(text, "instrument_key")
    if not parse_key(key).product.is_option:
        raise InvalidInput("instrument_key", f"{key} is no option")
    return key
