"""Shapes of the functions API."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signals.functions.core.naming import NAME, check_name, check_source
from signals.functions.inside.wire import MOST_SOURCE_BYTES
from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Text, Whole
from signalsite.foundation.serializers import StrictSerializer

LONGEST_DESCRIPTION = 1000


@extend_schema_field({"type": "string", "minLength": 1, "maxLength": MOST_SOURCE_BYTES})
class SourceField(Text):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MOST_SOURCE_BYTES, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        try:
            return check_source(data if isinstance(data, str) else "")
        except InvalidInput as error:
            raise serializers.ValidationError(str(error)) from error


@extend_schema_field({"type": "string", "pattern": f"^{NAME}$", "maxLength": 64})
class NameField(Text):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        try:
            return check_name(data if isinstance(data, str) else "")
        except InvalidInput as error:
            raise serializers.ValidationError(str(error)) from error


class UploadSerializer(StrictSerializer):
    name = NameField(help_text="Unique among your functions: a letter of a-z, then a-z, 0-9 and _.")
    description = Text(required=False, default="", allow_blank=True, max_length=LONGEST_DESCRIPTION)
    source = SourceField(help_text="Python that defines `def compute(data, params)`.")  # type: ignore[assignment]


class VersionUploadSerializer(StrictSerializer):
    source = SourceField(help_text="Python that defines `def compute(data, params)`.")  # type: ignore[assignment]


class DescriptionSerializer(StrictSerializer):
    description = Text(allow_blank=True, max_length=LONGEST_DESCRIPTION)


class RunsQuerySerializer(StrictSerializer):
    function = Text(required=False, max_length=64, help_text="Only this function's.")
    cursor = Whole(required=False, min_value=1, max_value=2**63 - 1, help_text="`next_cursor` of the page before.")
    limit = Whole(required=False, default=100, min_value=1, max_value=1000)


class FunctionSerializer(serializers.ModelSerializer):
    version = serializers.IntegerField(source="newest", help_text="The newest one's number.")

    class Meta:
        model = UserFunction
        fields = ("id", "name", "description", "version", "created_at")
        read_only_fields = fields


class FunctionListSerializer(serializers.Serializer):
    limit = serializers.IntegerField(help_text="How many you may have.")
    data = FunctionSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


class VersionSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="function.name")

    class Meta:
        model = FunctionVersion
        fields = ("name", "number", "digest", "created_at")
        read_only_fields = fields


class VersionSourceSerializer(VersionSerializer):
    class Meta(VersionSerializer.Meta):
        fields = (*VersionSerializer.Meta.fields, "source")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


class VersionListSerializer(serializers.Serializer):
    data = VersionSerializer(many=True)  # type: ignore[assignment]


class RunSerializer(serializers.ModelSerializer):
    class Meta:
        model = FunctionRun
        fields = ("id", "time", "name", "digest", "action", "calls", "failed", "milliseconds", "error")
        read_only_fields = fields


class RunPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = RunSerializer(many=True)  # type: ignore[assignment]


class FunctionArgumentSerializer(serializers.Serializer):
    name = serializers.CharField()
    default = serializers.JSONField(help_text="A number or a word.")
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    whole = serializers.BooleanField()
    choices = serializers.ListField(child=serializers.CharField())
    help = serializers.CharField()


class InternalFunctionSerializer(serializers.Serializer):
    name = serializers.CharField()
    version = serializers.IntegerField(help_text="Increases when the same bars would give another answer.")
    summary = serializers.CharField()
    formula = serializers.CharField()
    reference = serializers.CharField(help_text="Where the formula comes from.")
    needs = serializers.ListField(child=serializers.CharField(), help_text="Columns.")
    params = FunctionArgumentSerializer(many=True)
    outputs = serializers.DictField(child=serializers.CharField(), help_text="What each result is.")


class InternalListSerializer(serializers.Serializer):
    data = InternalFunctionSerializer(many=True)  # type: ignore[assignment]


def most_functions() -> int:
    limit: int = settings.FUNCTIONS_PER_USER
    return limit
