"""Shapes of configurations for the API's schema: as they are sent, and as they are stored."""

from typing import Any

from rest_framework import serializers

from signals.configs.core.schema import DEFAULT_BARS, LEAST_BARS, LONGEST_NAME, MOST_BARS
from signals.configs.core.sections import MOST_FUNCTIONS, MOST_INDICATORS
from signals.functions.core.joins import LONGEST_JOIN, MOST_JOINS
from signalsite.foundation.computations.requests import LONGEST_KEY, declared_field

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
_CALL: dict[str, Any] = {
    "type": "object",
    "required": ["function"],
    "additionalProperties": False,
    "properties": {
        "function": {**_TEXT, "description": "Its name; one of yours is mine/NAME or mine/NAME@VERSION."},
        "params": {**_OBJECT, "nullable": True},
        "label": {**_TEXT, "nullable": True, "maxLength": 64, "description": "Names its results. Default: its name."},
    },
}
_CALLS: dict[str, Any] = {
    "type": "array",
    "nullable": True,
    "maxItems": MOST_FUNCTIONS,
    "items": {"anyOf": [_TEXT, _CALL]},
}
_GREEKS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "columns": {"type": "array", "nullable": True, "minItems": 1, "items": _TEXT},
        "params": {**_OBJECT, "nullable": True},
    },
}
_JOIN: dict[str, Any] = {
    "type": "object",
    "maxProperties": MOST_JOINS,
    "additionalProperties": {**_TEXT, "maxLength": LONGEST_JOIN},
}
_KEY: dict[str, Any] = {**_TEXT, "maxLength": LONGEST_KEY}


def _optional(schema: dict[str, Any], text: str) -> serializers.Field:
    return declared_field({**schema, "nullable": True, "description": text}, required=False)


class ConfigurationDocumentSerializer(serializers.Serializer):
    """What to compute, for which instruments, and when."""

    name = _optional(
        {**_TEXT, "maxLength": LONGEST_NAME},
        "Unique among yours. Default, for one instrument: `KEY-INTERVAL-FREQUENCY`.",
    )
    instruments = _optional(
        {"type": "array", "minItems": 1, "items": _KEY},
        "Instrument keys, at most CONFIG_MAX_INSTRUMENTS; or `instrument_key`.",
    )
    instrument_key = _optional(_KEY, "One instrument, in the place of `instruments`.")
    interval = _optional({"type": "string"}, "The timeframe of the bars, such as 5m. Needed by all but Greeks.")
    frequency = _optional(
        {"type": "string"},
        "When: 5s, 5m, bar, hourly@15, daily@15:20, weekly@thu, monthly@last, open+15m, close-5m. Default: with every "
        "tick.",
    )
    anchor = _optional(
        {"type": "string", "enum": ["session", "epoch", None]},
        "Where bars count from. Default: epoch on crypto exchanges, else session.",
    )
    greeks = _optional(
        {"anyOf": [{"type": "boolean"}, {"type": "array", "minItems": 1, "items": _TEXT}, _GREEKS]},
        "true for the first-order ones, a list of columns, or columns and params of the computation `greeks`.",
    )
    indicators = _optional(
        {"type": "array", "maxItems": MOST_INDICATORS, "items": {"anyOf": [_TEXT, _OBJECT]}},
        'Such as "rsi(length=14)" or {"kind": "macd", "fast": 8}.',
    )
    functions = _optional(_CALLS, "Internal functions.")
    external_functions = _optional(_CALLS, "Functions of your own.")
    join = _optional(_JOIN, "Columns that functions see beside the bars: greeks:iv, indicators:rsi, bars:KEY:close.")
    bars = _optional(
        {"type": "integer", "minimum": LEAST_BARS, "maximum": MOST_BARS},
        f"How many closed bars before the newest functions see. Default: {DEFAULT_BARS}.",
    )
    active = _optional({"type": "boolean"}, "false: paused. Default: true.")


_STORED_CALLS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["function", "params", "label"],
        "properties": {
            "function": {"type": "string", "description": "One of yours is version/UUID."},
            "params": _OBJECT,
            "label": {"type": "string"},
        },
    },
}
_STORED_GREEKS = {
    "type": "object",
    "nullable": True,
    "required": ["columns", "params"],
    "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "params": _OBJECT},
}
_TEXTS = {"type": "array", "items": {"type": "string"}}


class StoredDocumentSerializer(serializers.Serializer):
    """A configuration in its one form, with every default filled in."""

    name = serializers.CharField()
    instruments = declared_field(_TEXTS)
    interval = serializers.CharField(allow_null=True)
    frequency = serializers.CharField(allow_null=True, help_text="null: with every tick.")
    anchor = serializers.CharField(allow_null=True)
    greeks = declared_field(_STORED_GREEKS)
    indicators = declared_field(_TEXTS)
    functions = declared_field(_STORED_CALLS)
    external_functions = declared_field(_STORED_CALLS)
    join = declared_field({"type": "object", "additionalProperties": {"type": "string"}})
    bars = serializers.IntegerField()
    active = serializers.BooleanField()
