"""Shapes of the functions API."""

from typing import Any

import numpy as np
from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signals.functions.core.naming import NAME, check_arguments, check_name, check_source
from signals.functions.fields import JoinField
from signals.functions.inside.wire import MOST_SOURCE_BYTES
from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Integer, Text, Whole
from signalsite.foundation.serializers import StrictSerializer

LONGEST_DESCRIPTION = 1000
MOST_COLUMNS, MOST_VALUES = 64, 100_000
LONGEST_COLUMN_NAME = 64
MOST_REPEATS = 100


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


@extend_schema_field({"type": "object", "additionalProperties": True})
class ArgumentsField(serializers.Field):
    """The `params` of a call: a JSON object of at most 8,192 characters and 8 levels."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            return check_arguments(data, "params")
        except InvalidInput as error:
            raise serializers.ValidationError(str(error)) from error


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {
            "type": "array",
            "maxItems": MOST_VALUES,
            "items": {"type": "number", "nullable": True},
        },
    }
)
class ColumnsField(serializers.Field):
    """Columns of numbers by name, null for unknown."""

    def to_internal_value(self, data: Any) -> dict[str, np.ndarray]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("must be an object of lists of numbers")
        if len(data) > MOST_COLUMNS:
            raise serializers.ValidationError(f"has {len(data)} columns; {MOST_COLUMNS} are allowed")
        columns, total = {}, 0
        for name, values in data.items():
            if not 0 < len(name) <= LONGEST_COLUMN_NAME or not name.isprintable():
                raise serializers.ValidationError(
                    f"names of columns are 1 to {LONGEST_COLUMN_NAME} printable characters"
                )
            if not isinstance(values, list):
                raise serializers.ValidationError({name: "must be a list of numbers"})
            total += len(values)
            if total > MOST_VALUES:
                raise serializers.ValidationError(f"has over {MOST_VALUES} values")
            columns[name] = self._column(name, values)
        return columns

    def _column(self, name: str, values: list[Any]) -> np.ndarray:
        for place, value in enumerate(values):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise serializers.ValidationError({f"{name}[{place}]": "must be a number or null"})
        try:
            return np.array([np.nan if each is None else each for each in values], np.float64)
        except OverflowError:
            raise serializers.ValidationError({name: "has a number beyond floats"}) from None


class UploadSerializer(StrictSerializer):
    name = NameField(help_text="Unique among your functions: a letter of a-z, then a-z, 0-9 and _.")
    description = Text(required=False, default="", allow_blank=True, max_length=LONGEST_DESCRIPTION)
    source = SourceField(help_text="Python that defines `def compute(data, params)`.")  # type: ignore[assignment]


class VersionUploadSerializer(StrictSerializer):
    source = SourceField(help_text="Python that defines `def compute(data, params)`.")  # type: ignore[assignment]


class DescriptionSerializer(StrictSerializer):
    description = Text(allow_blank=True, max_length=LONGEST_DESCRIPTION)


class DryRunSerializer(StrictSerializer):
    """What to run: a `source`, one of your functions (`function`), or one of ours (`internal`)."""

    source = SourceField(required=False, help_text="Tried without being stored.")  # type: ignore[assignment]
    function = NameField(required=False, help_text="The name of one of your functions.")
    version = Integer(required=False, min_value=1, max_value=1_000_000, help_text="Of `function`; default: the newest.")
    internal = NameField(required=False, help_text="The name of an internal function.")
    data = ColumnsField(  # type: ignore[assignment]
        required=False, help_text="Columns of numbers, null for unknown. Default: 500 one-minute bars, always the same."
    )
    join = JoinField(
        required=False,
        help_text="Columns that join to the sample bars, by name: indicators as they are, Greeks and other instruments "
        "made up. Not with `data`, which has its own columns.",
    )
    params = ArgumentsField(required=False, help_text="What the function gets as `params`.")
    repeats = Integer(
        required=False,
        default=5,
        min_value=1,
        max_value=MOST_REPEATS,
        help_text="Calls, of which the timings are made.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"source", "function", "internal"} & attrs.keys()) != 1:
            raise serializers.ValidationError({"source": "give one of source, function and internal"})
        if "version" in attrs and "function" not in attrs:
            raise serializers.ValidationError({"version": "belongs to function"})
        if "join" in attrs and "data" in attrs:
            raise serializers.ValidationError({"join": "belongs to the sample bars: put the columns into data"})
        return attrs


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


class FaultSerializer(serializers.Serializer):
    type = serializers.CharField(help_text="The exception, or Deadline, Killed, Crashed, Refused, BadResult.")
    message = serializers.CharField()
    line = serializers.IntegerField(allow_null=True, help_text="Of the source.")


class TimingsSerializer(serializers.Serializer):
    start_ms = serializers.FloatField(allow_null=True, help_text="A new process and the compilation.")
    first_ms = serializers.FloatField(help_text="The first call.")
    warm_ms = serializers.FloatField(allow_null=True, help_text="The median of the calls after it.")


class DryRunAnswerSerializer(serializers.Serializer):
    result = serializers.JSONField(
        allow_null=True,
        help_text="A number, a list, or an object of those, as the function returned it; null on error.",
    )
    error = FaultSerializer(allow_null=True)
    printed = serializers.CharField(help_text="What the function printed, at most 4,000 characters.")
    rows = serializers.IntegerField(help_text="Bars in `data`.")
    timings = TimingsSerializer()


def most_functions() -> int:
    limit: int = settings.FUNCTIONS_PER_USER
    return limit
