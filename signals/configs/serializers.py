"""How the API shows configurations and their versions, and what it takes in queries."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signals.configs.core.canonical import UnreadableDocument, document_of, in_order
from signals.configs.core.document import NONE
from signals.configs.core.frequency import format_frequency, parse_frequency
from signals.configs.models import Configuration, ConfigurationVersion
from signals.configs.shapes import StoredDocumentSerializer
from signals.instruments.serializers import QueryFlag
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from signalsite.foundation.stored_json import Unreadable
from timeframes.core.keys import MAX_KEY_LENGTH, parse_key
from timeframes.core.timeframe import format_timeframe, parse_timeframe
from timeframes.default_exchange import completed

MOST_ROWS = 200


def _readable(stored: Any) -> Any:
    return None if isinstance(stored, Unreadable) else in_order(stored)


class LinksSerializer(serializers.Serializer):
    self = serializers.CharField()
    versions = serializers.CharField()


class ConfigurationSummarySerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.get_username")
    interval = serializers.SerializerMethodField()
    frequency = serializers.SerializerMethodField(help_text="null: with every tick.")
    instruments = serializers.SerializerMethodField(help_text="How many.")
    unreadable = serializers.SerializerMethodField(
        help_text="Why the stored document cannot be read, and does not run. Usually null."
    )
    links = serializers.SerializerMethodField()

    class Meta:
        model = Configuration
        fields = (
            "id",
            "name",
            "owner",
            "active",
            "version",
            "interval",
            "frequency",
            "instruments",
            "origin",
            "entry_id",
            "created_at",
            "updated_at",
            "next_due",
            "unreadable",
            "links",
        )
        read_only_fields = fields

    def get_interval(self, configuration: Configuration) -> str | None:
        return configuration.interval or None

    def get_frequency(self, configuration: Configuration) -> str | None:
        return configuration.frequency or None

    def get_instruments(self, configuration: Configuration) -> int | None:
        stored = configuration.document
        keys = stored.get("instruments") if isinstance(stored, dict) else None
        return len(keys) if isinstance(keys, list) else None

    def get_unreadable(self, configuration: Configuration) -> str | None:
        try:
            document_of(configuration.document)
        except UnreadableDocument as error:
            return str(error)
        return None

    @extend_schema_field(LinksSerializer)
    def get_links(self, configuration: Configuration) -> dict[str, str]:
        return {
            "self": reverse("configuration", args=[configuration.pk]),
            "versions": reverse("configuration-versions", args=[configuration.pk]),
        }


class ConfigurationSerializer(ConfigurationSummarySerializer):
    document = serializers.SerializerMethodField(help_text="null where it is unreadable.")

    class Meta(ConfigurationSummarySerializer.Meta):
        fields = (*ConfigurationSummarySerializer.Meta.fields, "document")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    @extend_schema_field(StoredDocumentSerializer(allow_null=True))
    def get_document(self, configuration: Configuration) -> Any:
        return _readable(configuration.document)


class ConfigurationPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = ConfigurationSummarySerializer(many=True)  # type: ignore[assignment]


class ConfigurationVersionSummarySerializer(serializers.ModelSerializer):
    class Meta:
        model = ConfigurationVersion
        fields = ("number", "origin", "entry_id", "created_at")
        read_only_fields = fields


class ConfigurationVersionSerializer(ConfigurationVersionSummarySerializer):
    document = serializers.SerializerMethodField(help_text="null where it cannot be read.")

    class Meta(ConfigurationVersionSummarySerializer.Meta):
        fields = (*ConfigurationVersionSummarySerializer.Meta.fields, "document")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    @extend_schema_field(StoredDocumentSerializer(allow_null=True))
    def get_document(self, version: ConfigurationVersion) -> Any:
        return _readable(version.document)


class ConfigurationVersionPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = ConfigurationVersionSummarySerializer(many=True)  # type: ignore[assignment]


@extend_schema_field({"description": "The value, or null where there is none."})
class _AnyValue(serializers.JSONField):
    pass


class DifferenceRowSerializer(serializers.Serializer):
    path = serializers.CharField(help_text="Such as indicators[rsi] or greeks.params.model.")
    before = _AnyValue(allow_null=True)
    after = _AnyValue(allow_null=True)
    added = serializers.BooleanField(help_text="There was nothing here before.")
    removed = serializers.BooleanField(help_text="There is nothing here any more.")


class DifferenceSerializer(serializers.Serializer):
    before = serializers.IntegerField(help_text="The earlier version.")
    after = serializers.IntegerField(help_text="The later one.")
    data = DifferenceRowSerializer(many=True)  # type: ignore[assignment]


class CheckedSerializer(serializers.Serializer):
    document = StoredDocumentSerializer()
    next_due = serializers.DateTimeField(allow_null=True, help_text="When it would first run; null without a schedule.")


class DifferenceQuerySerializer(StrictSerializer):
    to = Whole(required=False, min_value=1, max_value=2**31 - 1, help_text="A version. Default: the newest.")

    def get_fields(self) -> dict[str, Any]:
        before = Whole(
            required=False, min_value=1, max_value=2**31 - 1, help_text="A version. Default: the one before `to`."
        )
        return {"from": before, **super().get_fields()}  # from is a word of Python's


class VersionsQuerySerializer(StrictSerializer):
    cursor = Whole(required=False, min_value=1, max_value=2**31 - 1, help_text="`next_cursor` of the page before.")
    limit = Whole(required=False, default=50, min_value=1, max_value=MOST_ROWS)


class ConfigurationsQuerySerializer(StrictSerializer):
    name = Text(required=False, max_length=200, help_text="Only the one of this name.")
    instrument = Text(required=False, max_length=MAX_KEY_LENGTH, help_text="Only those that name this key.")
    interval = Text(required=False, max_length=12, help_text="Such as 5m; none: those without one.")
    frequency = Text(required=False, max_length=40, help_text="Such as bar; none: those that run with every tick.")
    active = QueryFlag(required=False, help_text="Only those that run, or only the paused ones.")
    cursor = Text(required=False, max_length=80, help_text="`next_cursor` of the page before.")
    limit = Whole(required=False, default=50, min_value=1, max_value=MOST_ROWS)

    def validate_instrument(self, text: str) -> str:
        return _said(lambda: str(parse_key(completed(text))))

    def validate_interval(self, text: str) -> str:
        return "" if text == NONE else _said(lambda: format_timeframe(parse_timeframe(text)))

    def validate_frequency(self, text: str) -> str:
        return "" if text == NONE else _said(lambda: format_frequency(parse_frequency(text)))


def _said(read: Any) -> str:
    try:
        return str(read())
    except InvalidInput as error:
        raise serializers.ValidationError(str(error)) from error
