"""Serializers and schemas that follow from a computation's declaration."""

from functools import cache, partial
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signalsite.foundation.computations.contract import IDENTITY, OK, Bounds, Column, Computation, Override, Parameter
from signalsite.foundation.fields import Flag, Integer, Number, Several
from signalsite.foundation.serializers import StrictSerializer

LONGEST_CUSTOM_ID = 128
LONGEST_KEY = 120
_JSON_TYPES = {str: "string", float: "number", bool: "boolean", int: "integer"}


def pascal(name: str) -> str:
    return "".join(word.title() for word in name.split("_"))


@cache
def params_serializer(computation: Computation) -> type[StrictSerializer]:
    """Of a computation's parameters: each is optional, and filled in with its default."""
    fields = {parameter.name: _field(parameter) for parameter in computation.parameters}
    doc = f"The parameters of {computation.name}."
    return type(f"{pascal(computation.name)}ParamsSerializer", (StrictSerializer,), {**fields, "__doc__": doc})


def _field(parameter: Parameter) -> serializers.Field:
    options: dict[str, Any] = {"default": parameter.default, "help_text": parameter.help}
    if parameter.nullable:
        options["allow_null"] = True
    if parameter.most:
        options["default"] = list(parameter.default)
        return Several(child=_value(parameter, {}), min_length=1, max_length=parameter.most, **options)
    return _value(parameter, options)


def _value(parameter: Parameter, options: dict[str, Any]) -> serializers.Field:
    if parameter.type is bool:
        return Flag(**options)
    if parameter.type is str:
        return serializers.ChoiceField(list(parameter.choices), **options)
    bounds = parameter.bounds
    assert bounds is not None  # the registry saw to it
    options["validators"] = [partial(_admit, bounds)]
    if parameter.type is int:
        return Integer(min_value=int(bounds.lowest), max_value=int(bounds.highest), **options)
    return Number(min_value=bounds.lowest, max_value=bounds.highest, **options)


def _admit(bounds: Bounds, value: float) -> None:
    if bounds.above is not None and not value > bounds.above:
        raise serializers.ValidationError(f"must be {bounds}")


def item_field(computation: Computation) -> serializers.Field:
    """An instrument key, or an object with one and what is known better than the market. For the schema only: items
    are read by the hundred thousand (batch.jobs.core.items), and a bad one is refused alone."""
    key = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}
    custom_id = {
        "type": "string",
        "nullable": True,
        "minLength": 1,
        "maxLength": LONGEST_CUSTOM_ID,
        "description": "Yours, and unique in the request; given back with the answer.",
    }
    properties = {"instrument_key": key, "custom_id": custom_id} | {
        override.name: _override(override) for override in computation.overrides
    }
    item = {
        "type": "object",
        "required": ["instrument_key"],
        "properties": properties,
        "additionalProperties": False,
    }
    return extend_schema_field({"oneOf": [key, item]})(type("ItemField", (serializers.Field,), {}))()


def _override(override: Override) -> dict[str, Any]:
    bounds = override.bounds
    lowest = {"minimum": bounds.lowest, **({"exclusiveMinimum": True} if bounds.above is not None else {})}
    return {"type": "number", "nullable": True, **lowest, "maximum": bounds.highest, "description": override.help}


@cache
def row_serializer(computation: Computation) -> type[serializers.Serializer]:
    """Of one answer."""
    fields = {column.name: _column(column, computation) for column in (*IDENTITY, *computation.answer_columns)}
    return type(f"{pascal(computation.name)}RowSerializer", (serializers.Serializer,), fields)


def _column(column: Column, computation: Computation) -> serializers.Field:
    shape: dict[str, Any] = {"type": _JSON_TYPES[column.type], "description": column.help}
    if column.name == "status":
        shape["enum"] = [OK, *(each.word for each in computation.words)]
    elif column.name not in ("position", "retryable"):
        shape["nullable"] = True
    return extend_schema_field(shape)(type("ColumnField", (serializers.Field,), {}))()
