"""Serializers that refuse what they don't know."""

from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer):
    """An unknown field is an error that names it: a misspelt option must not be ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := [str(name) for name in data if name not in self.fields]):
            known = ", ".join(self.fields)
            raise serializers.ValidationError(dict.fromkeys(unknown, f"unknown field; known are {known}"))
        return super().to_internal_value(data)
