"""Shapes of dry runs."""

from typing import Any

import numpy as np
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signals.functions.core.naming import check_arguments
from signals.functions.fields import JoinField
from signals.functions.serializers import NameField, SourceField
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Instant, Integer, Text
from signalsite.foundation.serializers import StrictSerializer
from timeframes.bars.serializers import TimeframeField
from timeframes.core.grid import Anchor
from timeframes.core.keys import MAX_KEY_LENGTH

MOST_COLUMNS, MOST_VALUES = 64, 100_000
LONGEST_COLUMN_NAME = 64
MOST_REPEATS = 100
DEFAULT_TIMEFRAME, DEFAULT_BARS, MOST_STORED_BARS = 60, 200, 5_000


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
        help_text="Columns that join to the bars, by name. To sample bars indicators join as they are, Greeks and "
        "other instruments made up. Not with `data`, which has its own columns.",
    )
    instrument_key = Text(
        required=False,
        max_length=MAX_KEY_LENGTH,
        help_text="Bars of this instrument, as a run of a configuration sees them, in place of the sample's.",
    )
    timeframe = TimeframeField(required=False, help_text="Of the instrument's bars; default: 1m.")
    anchor = serializers.ChoiceField(
        [each.value for each in Anchor], required=False, help_text="Where its bars count from; default: the exchange's."
    )
    as_of = Instant(required=False, help_text="Its newest bar at this moment is the last one; default: now.")
    bars = Integer(
        required=False, min_value=1, max_value=MOST_STORED_BARS, help_text="Bars before the newest one; default: 200."
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
        stored = [name for name in ("timeframe", "anchor", "as_of", "bars") if name in attrs]
        if "instrument_key" in attrs:
            if "data" in attrs:
                raise serializers.ValidationError({"instrument_key": "give data or an instrument, not both"})
            attrs = {"timeframe": DEFAULT_TIMEFRAME, "bars": DEFAULT_BARS, **attrs}
        elif stored:
            raise serializers.ValidationError({stored[0]: "belongs to instrument_key"})
        if "join" in attrs and "data" in attrs:
            raise serializers.ValidationError({"join": "belongs to the sample bars: put the columns into data"})
        return attrs


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
    rows = serializers.IntegerField(help_text="Bars that it saw.")
    first_bar = serializers.DateTimeField(allow_null=True, help_text="Where the instrument's first bar begins.")
    last_bar = serializers.DateTimeField(allow_null=True, help_text="Where its last bar begins.")
    missing = serializers.DictField(
        child=serializers.CharField(), help_text="Joined columns of the instrument without any value, and why."
    )
    timings = TimingsSerializer()
