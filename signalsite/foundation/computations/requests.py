"""Serializers and schemas from a computation's declaration."""

from collections.abc import Iterable
from functools import cache, partial
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signalsite.foundation.computations.columns import OK, PORTFOLIO, Column
from signalsite.foundation.computations.contract import (
    LEG_FIELDS,
    MOST_LEGS,
    Bounds,
    Computation,
    Override,
    Parameter,
    TextForm,
)
from signalsite.foundation.computations.option_fields import OPTION_FIELDS, REQUIRED, OptionField
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Choices, Flag, Integer, Number, Several, Text
from signalsite.foundation.openapi import reference
from signalsite.foundation.serializers import StrictSerializer

LONGEST_CUSTOM_ID = 128
LONGEST_KEY = 120
_ANY_LENGTH = 1 << 30
_JSON_TYPES = {str: "string", float: "number", bool: "boolean", int: "integer"}


def pascal(name: str) -> str:
    return "".join(word.title() for word in name.split("_"))


@cache
def params_serializer(computation: Computation) -> type[StrictSerializer]:
    """Return the serializer of the parameters. Each is optional and has a default."""
    fields = {parameter.name: _field(parameter) for parameter in computation.parameters}
    doc = f"The parameters of {computation.name}."
    return type(f"{pascal(computation.name)}ParamsSerializer", (StrictSerializer,), {**fields, "__doc__": doc})


def _field(parameter: Parameter) -> serializers.Field:
    options: dict[str, Any] = {"default": parameter.default, "help_text": parameter.help}
    if parameter.nullable:
        options["allow_null"] = True
    if parameter.most:
        options["default"] = list(parameter.default)
        if parameter.choices:
            return Choices(parameter.choices, max_length=parameter.most, **options)
        return Several(child=_value(parameter, {}), min_length=1, max_length=parameter.most, **options)
    return _value(parameter, options)


class ChoicesInSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # drf-spectacular registers it
    target_class = Choices

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**schema, "uniqueItems": True}


def _value(parameter: Parameter, options: dict[str, Any]) -> serializers.Field:
    if parameter.type is bool:
        return Flag(**options)
    if parameter.form is not None:
        return _formed(parameter.form, options)
    if parameter.type is str:
        return serializers.ChoiceField(list(parameter.choices), **options)
    bounds = parameter.bounds
    assert bounds is not None  # the registry checks this
    options["validators"] = [partial(_admit, bounds)]
    if parameter.type is int:
        return Integer(min_value=int(bounds.lowest), max_value=int(bounds.highest), **options)
    return Number(min_value=bounds.lowest, max_value=bounds.highest, **options)


def _formed(form: TextForm, options: dict[str, Any]) -> serializers.Field:
    def check(text: str) -> None:
        try:
            form.check(text)
        except InvalidInput as error:
            raise serializers.ValidationError(str(error)) from error

    schema = {"type": "string", "pattern": form.pattern, "maxLength": form.longest}
    field = extend_schema_field(schema)(type("FormedField", (Text,), {}))
    # The check comes first and gives one message, whatever the length.
    formed: serializers.Field = field(max_length=_ANY_LENGTH, trim_whitespace=False, validators=[check], **options)
    return formed


def _admit(bounds: Bounds, value: float) -> None:
    if bounds.above is not None and not value > bounds.above:
        raise serializers.ValidationError(f"must be {bounds}")


def item_field(computation: Computation) -> serializers.Field:
    """Return the field of an item: a key, or an object with a key or an option's terms, and overrides.

    It serves the schema only. `batch.jobs.core.items` reads items by the hundred thousand and refuses bad ones singly.
    """
    key = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}
    custom_id = {
        "type": "string",
        "nullable": True,
        "minLength": 1,
        "maxLength": LONGEST_CUSTOM_ID,
        "description": "Your own identifier of the item, unique in the request and returned with its answer.",
    }
    more = {"custom_id": custom_id} | {override.name: _override(override) for override in computation.overrides}
    if computation.item_kind is PORTFOLIO:
        legs = {"type": "array", "minItems": 1, "maxItems": MOST_LEGS, "items": leg_schema(computation)}
        item = _closed({"legs": legs, "custom_id": custom_id}, ["legs"])
        return extend_schema_field(item)(type("ItemField", (serializers.Field,), {}))()
    name = computation.item_kind.column.name
    by_key = _closed({name: key, **more}, [name])
    if not computation.item_kind.by_terms:
        return extend_schema_field({"oneOf": [key, by_key]})(type("ItemField", (serializers.Field,), {}))()
    by_terms = _closed({each.name: _option_field(each) for each in OPTION_FIELDS} | more, list(REQUIRED))
    return extend_schema_field({"oneOf": [key, by_key, by_terms]})(type("ItemField", (serializers.Field,), {}))()


def leg_schema(computation: Computation) -> dict[str, Any]:
    """Return the schema of a leg of a portfolio."""
    contract = {"instrument_key": {"type": "string", "nullable": True, "minLength": 1, "maxLength": LONGEST_KEY}}
    contract |= {each.name: {**_option_field(each), "nullable": True} for each in OPTION_FIELDS}
    numbers = {each.name: _override(each) for each in (*LEG_FIELDS, *computation.overrides)}
    schema = _closed(contract | numbers, ["quantity"])
    schema["properties"]["quantity"] = {**numbers["quantity"], "nullable": False}
    return schema | {
        "description": "A contract by `instrument_key`; an option by `underlying`, `expiry`, `strike` and "
        "`option_type`; a future by `underlying` and `expiry`; or a spot by `underlying`."
    }


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _option_field(field: OptionField) -> dict[str, Any]:
    if field.bounds is not None:
        return {"type": "number", **_limits(field.bounds), "description": field.help}
    choices = {"enum": list(field.choices)} if field.choices else {"minLength": 1, "maxLength": LONGEST_KEY}
    return {"type": "string", **choices, "description": field.help, **({} if field.required else {"nullable": True})}


def override_field(override: Override) -> serializers.Field:
    """Return the optional field of an override in a query."""
    bounds = override.bounds
    options: dict[str, Any] = {"help_text": override.help, "validators": [partial(_admit, bounds)]}
    return Number(min_value=bounds.lowest, max_value=bounds.highest, required=False, **options)


def _override(override: Override) -> dict[str, Any]:
    return {"type": "number", "nullable": True, **_limits(override.bounds), "description": override.help}


def _limits(bounds: Bounds) -> dict[str, Any]:
    lowest = {"minimum": bounds.lowest, **({"exclusiveMinimum": True} if bounds.above is not None else {})}
    return {**lowest, "maximum": bounds.highest}


def receipt_fields(computation: Computation, *, required: bool = True) -> dict[str, serializers.Field]:
    """Return a field for each list of the computation's receipt."""
    return {
        name: declared_field({"type": "array", "items": reference(kind)}, required=required)
        for name, kind in computation.receipts.items()
    }


def row_schemas(computations: Iterable[Computation]) -> dict[str, Any]:
    """Return the schema of a list whose rows are answers of any of these."""
    rows = [{"$ref": f"#/components/schemas/{pascal(each.name)}Row"} for each in computations]
    return {"type": "array", "items": {"anyOf": rows}}


def params_schemas(computations: Iterable[Computation]) -> dict[str, Any]:
    """Return the schema of the parameters of any of these."""
    return {"anyOf": [{"$ref": f"#/components/schemas/{pascal(each.name)}Params"} for each in computations]}


@cache
def result_serializer(computation: Computation) -> type[serializers.Serializer]:
    """Return the serializer of one answer without the item's identity: of a page about one instrument."""
    fields = {column.name: _column(column, computation) for column in computation.answer_columns}
    return type(f"{pascal(computation.name)}ResultSerializer", (serializers.Serializer,), fields)


@cache
def row_serializer(computation: Computation) -> type[serializers.Serializer]:
    """Return the serializer of one answer."""
    columns = (*computation.identity, *computation.answer_columns)
    fields = {column.name: _column(column, computation) for column in columns}
    return type(f"{pascal(computation.name)}RowSerializer", (serializers.Serializer,), fields)


def _column(column: Column, computation: Computation) -> serializers.Field:
    return declared_field(column_schema(column, computation), required=column.name not in computation.picked)


def declared_field(schema: dict[str, Any], **options: Any) -> serializers.Field:
    """Return a field that stands for a schema which follows from a declaration."""
    return extend_schema_field(schema)(type("DeclaredField", (serializers.Field,), {}))(**options)


def meaning(column: Column, computation: Computation) -> str:
    """Return what a column means, and which parameter must name it, if any."""
    parameter = computation.picked.get(column.name)
    return f"{column.help} Only if `{parameter}` names it." if parameter else column.help


def column_schema(column: Column, computation: Computation) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": _JSON_TYPES[column.type], "description": meaning(column, computation)}
    if column.name == "status":
        shape["enum"] = [OK, *(each.word for each in computation.words)]
    elif column.name not in ("position", "retryable"):
        shape["nullable"] = True
    return shape
