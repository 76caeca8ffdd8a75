"""Items as the schema shows them. `read_items` reads a hundred thousand of them, and refuses a bad one alone."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batch.core.items import MAX_CUSTOM_ID_LENGTH
from batch.kinds.greeks import GreeksKind
from timeframes.core.keys import MAX_KEY_LENGTH

_HELP = {
    "price": "Instead of the quoted price.",
    "underlying_price": "Spot, instead of the forward found.",
    "volatility": "Decimal, a year; the Greeks and the price at this volatility.",
    "rate": "Continuous, a year, decimal.",
    "dividend_yield": "Continuous, a year, decimal.",
}


def _override(name: str) -> dict[str, Any]:
    bounds = GreeksKind.overrides[name]
    lowest = {"minimum": bounds.lowest, **({"exclusiveMinimum": True} if bounds.above is not None else {})}
    return {"type": "number", "nullable": True, **lowest, "maximum": bounds.highest, "description": _HELP[name]}


_KEY = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH}
_OBJECT = {
    "type": "object",
    "required": ["instrument_key"],
    "properties": {
        "instrument_key": _KEY,
        "custom_id": {
            "type": "string",
            "nullable": True,
            "minLength": 1,
            "maxLength": MAX_CUSTOM_ID_LENGTH,
            "description": "Yours, and unique in the request; given back with the answer.",
        },
        **{name: _override(name) for name in GreeksKind.overrides},
    },
    "additionalProperties": False,
}


@extend_schema_field({"oneOf": [_KEY, _OBJECT]})
class ItemField(serializers.Field):
    """An instrument key, or an object with one and what is known better than the market."""
