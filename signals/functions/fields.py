"""Fields of requests that configurations have too."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signals.functions.core.joins import LONGEST_JOIN, MOST_JOINS, Joins, parse_joins
from signalsite.foundation.errors import InvalidInput


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": LONGEST_JOIN},
        "maxProperties": MOST_JOINS,
        "example": {"rsi": "indicators:rsi(length=14)", "iv": "greeks:iv"},
    }
)
class JoinField(serializers.Field):
    """Joined columns: sources by names."""

    def to_internal_value(self, data: Any) -> Joins:
        try:
            return parse_joins(data, "join")
        except InvalidInput as error:
            name = error.field.partition(".")[2]
            raise serializers.ValidationError({name: str(error)} if name else str(error)) from error
