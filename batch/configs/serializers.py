"""Shapes of the doors to runs and results of configurations."""

from rest_framework import serializers

from signals.configs.core.results import Source
from signals.configs.models import ConfigurationRun
from signalsite.foundation.fields import Instant, Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import MAX_KEY_LENGTH


class ConfigurationRunsQuerySerializer(StrictSerializer):
    state = serializers.ChoiceField(ConfigurationRun.State.choices, required=False)
    cursor = Whole(required=False, min_value=0, max_value=2**53, help_text="`next_cursor` of the page before.")
    limit = Whole(required=False, default=100, min_value=1, max_value=1000)


class ConfigurationRunSerializer(serializers.ModelSerializer):
    class Meta:
        model = ConfigurationRun
        fields = (
            *("id", "due", "version", "state", "attempt", "started_at", "finished_at", "lateness_ms", "duration_ms"),
            *("instruments", "failed", "missed", "error"),
        )
        read_only_fields = fields


class ConfigurationRunPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = ConfigurationRunSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out


class ConfigurationResultsRangeSerializer(StrictSerializer):
    instrument = Text(required=False, max_length=MAX_KEY_LENGTH, help_text="Only of this instrument key.")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        [each.value for each in Source], required=False
    )
    start_time = Instant(required=False, help_text="Only results at or after it.")
    end_time = Instant(required=False, help_text="Only results before it.")


class ConfigurationResultsQuerySerializer(ConfigurationResultsRangeSerializer):
    cursor = Text(required=False, max_length=400, help_text="`next_cursor` of the page before.")
    limit = Whole(required=False, default=100, min_value=1, max_value=1000)


class ConfigurationResultSerializer(serializers.Serializer):
    instrument_key = serializers.CharField()
    time = serializers.DateTimeField(help_text="The moment that counted as now: the due one, or the tick's.")
    source = serializers.ChoiceField([each.value for each in Source])  # type: ignore[assignment]
    version = serializers.IntegerField(help_text="Of the configuration.")
    run = serializers.IntegerField(allow_null=True, help_text="`id` of the scheduled run.")
    tick = serializers.CharField(allow_null=True, help_text="ID of the tick's entry.")
    values = serializers.DictField(
        child=serializers.DictField(allow_empty=True),
        help_text="By kind (greeks, indicators, functions, external_functions) and label; null where there is none.",
    )
    reasons = serializers.DictField(child=serializers.CharField(), help_text="Why a value is missing, by `KIND.LABEL`.")


class ConfigurationResultPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = ConfigurationResultSerializer(many=True)  # type: ignore[assignment]
