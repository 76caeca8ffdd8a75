"""Serializers that refuse unknown fields."""

from itertools import islice
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from signalsite.foundation.problem_json import MOST_ERRORS


class StrictSerializer(serializers.Serializer):
    """Refuses unknown fields by name, so that a misspelt option is not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [str(name) for name in islice((name for name in data if name not in self.fields), MOST_ERRORS)]
            if unknown:
                known = ", ".join(self.fields)
                raise serializers.ValidationError(dict.fromkeys(unknown, f"unknown field; known are {known}"))
        return super().to_internal_value(data)


def read_query(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Return the checked parameters of a request's address. Raises ValidationError."""
    query = serializer(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)
