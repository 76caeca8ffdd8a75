"""What the addresses of indicators take and answer."""

from rest_framework import serializers

from signalsite.foundation.fields import Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from timeframes.bars.serializers import LONGEST_MOMENT, BarsRangeSerializer, TimeframeField
from timeframes.core.grid import Anchor
from timeframes.core.timeframe import STANDARD

DEFAULT_LIMIT, MOST_ROWS = 1_000, 5_000


class IndicatorsQuerySerializer(StrictSerializer):
    """The list has no parameters."""


class IndicatorRangeSerializer(BarsRangeSerializer):
    """Which bars. Every other parameter is one of the indicator's."""


class IndicatorPageQuerySerializer(IndicatorRangeSerializer):
    cursor = Text(required=False, max_length=LONGEST_MOMENT, help_text="`next_cursor` of a page.")
    limit = Whole(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MOST_ROWS)


class NewestIndicatorQuerySerializer(StrictSerializer):
    timeframe = TimeframeField(required=False, help_text=f"{', '.join(STANDARD)}, 7m, 90s. Default: 1m.")
    anchor = serializers.ChoiceField(
        [each.value for each in Anchor], required=False, help_text="As for bars. Default: the exchange's."
    )
    bars = Whole(required=False, default=2, min_value=1, max_value=100, help_text="How many of the newest bars.")


class ArgumentSerializer(serializers.Serializer):
    name = serializers.CharField()
    type = serializers.ChoiceField(["int", "float", "bool", "str"])
    default = serializers.JSONField(allow_null=True, help_text="null: it follows from other parameters.")
    allowed = serializers.CharField(help_text="What values it may have, in words.")


class WarmUpSerializer(serializers.Serializer):
    first = serializers.IntegerField(help_text="With the defaults, bars before the first one with every value.")
    bars = serializers.IntegerField(
        allow_null=True,
        help_text="With the defaults, bars after which the beginning of a series has no effect above 1e-9; null: the "
        "value counts from the first stored bar.",
    )


class IndicatorSerializer(serializers.Serializer):
    name = serializers.CharField()
    category = serializers.CharField()
    title = serializers.CharField()
    inputs = serializers.ListField(child=serializers.CharField(), help_text="Columns of bars.")
    parameters = ArgumentSerializer(many=True)
    outputs = serializers.ListField(child=serializers.CharField(), help_text="Their names with the defaults.")
    warm_up = WarmUpSerializer()
    formula = serializers.CharField(allow_blank=True, help_text="As the library's documentation has it.")
    sources = serializers.ListField(child=serializers.CharField())
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True, help_text="Why it is not available.")


class IndicatorsSerializer(serializers.Serializer):
    library = serializers.CharField(help_text="Whose definitions these are.")
    data = IndicatorSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


class IndicatorRowSerializer(serializers.Serializer):
    time = serializers.DateTimeField(help_text="The beginning of the bar, in UTC.")
    complete = serializers.BooleanField(help_text="false: the bar is still open, and its values change with it.")
    values = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="By output; null where there is no value."
    )


class HistorySerializer(serializers.Serializer):
    needed = serializers.IntegerField(allow_null=True, help_text="Bars before the first row; null: all stored ones.")
    loaded = serializers.IntegerField()
    whole = serializers.BooleanField(
        help_text="true: values equal, within 1e-9, those of a series of all stored bars. false: too many are stored."
    )


class NewestIndicatorSerializer(serializers.Serializer):
    instrument_key = serializers.CharField()
    indicator = serializers.CharField(help_text="With the parameters that differ from the defaults.")
    parameters = serializers.DictField(help_text="All parameters.")
    outputs = serializers.ListField(child=serializers.CharField())
    timeframe = serializers.CharField()
    seconds = serializers.IntegerField(allow_null=True)
    anchor = serializers.ChoiceField([each.value for each in Anchor])
    warm_up = HistorySerializer()
    data = IndicatorRowSerializer(many=True)  # type: ignore[assignment]


class IndicatorPageSerializer(NewestIndicatorSerializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
