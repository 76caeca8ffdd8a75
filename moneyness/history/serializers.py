"""What the addresses of histories take and answer."""

from typing import Any

from rest_framework import serializers

from moneyness.history.values import EXPIRY_VALUES, LEVEL_VALUES, SIDES, Source
from signalsite.foundation.fields import Day, Decimal, Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from timeframes.bars.serializers import LONGEST_MOMENT, BarsRangeSerializer
from timeframes.core.grid import Anchor

DEFAULT_LIMIT, MOST_ROWS = 500, 5_000
LONGEST_TENOR = 3650.0
_SOURCES = (
    "auto: as recorded, and where nothing is recorded computed from stored quotes at the bar's end; recorded, "
    "computed: only that."
)


class _RangeSerializer(BarsRangeSerializer):
    expiry = Day(required=False, help_text="Default: of each instant the nearest.")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the metaclass takes it away from the class
        [each.value for each in Source], default=Source.AUTO.value, help_text=_SOURCES
    )


class LevelRangeSerializer(_RangeSerializer):
    """The history of one value of a moneyness level."""

    value = serializers.ChoiceField(
        list(LEVEL_VALUES), default="implied_volatility", help_text="Of the level, as the tables name it."
    )
    side = serializers.ChoiceField(list(SIDES), default="both", help_text="Both sides of the level, or one.")


class AtmRangeSerializer(_RangeSerializer):
    """The history of the volatility at the money, or of another value of an expiry."""

    value = serializers.ChoiceField(list(EXPIRY_VALUES), default="implied_volatility", help_text="Of the expiry.")
    tenor = Decimal(
        required=False,
        min_value=1.0,
        max_value=LONGEST_TENOR,
        help_text="Days of constant maturity, in place of an expiry. It has implied_volatility only.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "tenor" in attrs and "expiry" in attrs:
            raise serializers.ValidationError({"tenor": "give either expiry or tenor"})
        if "tenor" in attrs and attrs["value"] != "implied_volatility":
            raise serializers.ValidationError({"value": "a constant maturity has implied_volatility only"})
        return attrs


def _limit() -> serializers.Field:
    return Whole(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MOST_ROWS)


def _cursor() -> serializers.Field:
    return Text(required=False, max_length=LONGEST_MOMENT, help_text="`next_cursor` of a page.")


class LevelQuerySerializer(LevelRangeSerializer):
    cursor = _cursor()
    limit = _limit()


class AtmQuerySerializer(AtmRangeSerializer):
    cursor = _cursor()
    limit = _limit()


class ValueBarSerializer(serializers.Serializer):
    """A bar of a value. A computed bar has one value, that at its end."""

    time = serializers.DateTimeField(help_text="The beginning of the bar, in UTC.")
    open = serializers.FloatField(allow_null=True, help_text="The first value.")
    high = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    close = serializers.FloatField(allow_null=True, help_text="The last value.")
    mean = serializers.FloatField(allow_null=True, help_text="Of the values at all instants.")
    count = serializers.IntegerField(help_text="Instants with a value.")
    source = serializers.ChoiceField(["recorded", "computed"])  # type: ignore[assignment]
    reason = serializers.CharField(allow_null=True, help_text="Why there is no value.")
    complete = serializers.BooleanField(help_text="false: the bar is still open.")


class ValueHistorySerializer(serializers.Serializer):
    underlying = serializers.CharField()
    level = serializers.CharField(allow_null=True, help_text="Null for a value of an expiry.")
    side = serializers.ChoiceField(list(SIDES), allow_null=True)
    value = serializers.CharField()
    expiry = serializers.DateField(allow_null=True, help_text="Null: of each instant the nearest.")
    tenor = serializers.FloatField(allow_null=True)
    timeframe = serializers.CharField(help_text="In its shortest form: 60m is 1h.")
    anchor = serializers.ChoiceField([each.value for each in Anchor])
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = ValueBarSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


class RankQuerySerializer(StrictSerializer):
    """How the volatility at the money stands among those of earlier sessions."""

    as_of = Text(required=False, max_length=LONGEST_MOMENT, help_text="Default: now. A date means its close.")
    expiry = Day(required=False, help_text="Of one expiry, in place of tenor.")
    tenor = Decimal(required=False, min_value=1.0, max_value=LONGEST_TENOR, help_text="Days; default 30.")
    sessions = Whole(required=False, default=252, min_value=2, max_value=1_000, help_text="The lookback.")
    window = Whole(required=False, default=20, min_value=2, max_value=252, help_text="Sessions of realised volatility.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "tenor" in attrs and "expiry" in attrs:
            raise serializers.ValidationError({"tenor": "give either expiry or tenor"})
        return attrs


class RealisedSerializer(serializers.Serializer):
    sessions = serializers.IntegerField()
    close_to_close = serializers.FloatField(allow_null=True)
    parkinson = serializers.FloatField(allow_null=True)
    yang_zhang = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(allow_null=True)


class AtmRankSerializer(serializers.Serializer):
    underlying = serializers.CharField()
    as_of = serializers.DateTimeField()
    expiry = serializers.DateField(allow_null=True)
    tenor = serializers.FloatField(allow_null=True)
    implied_volatility = serializers.FloatField(allow_null=True, help_text="The newest one in the lookback.")
    time = serializers.DateTimeField(allow_null=True, help_text="Beginning of the session that it is of.")
    sessions = serializers.IntegerField(help_text="Of the lookback.")
    known = serializers.IntegerField(help_text="Those with a value.")
    lowest = serializers.FloatField(allow_null=True)
    highest = serializers.FloatField(allow_null=True)
    mean = serializers.FloatField(allow_null=True)
    rank = serializers.FloatField(allow_null=True, help_text="(value - lowest) / (highest - lowest).")
    percentile = serializers.FloatField(allow_null=True, help_text="Share of the earlier sessions with a lower value.")
    reason = serializers.CharField(allow_null=True, help_text="Why a value is null, or sessions are missing.")
    realised = RealisedSerializer(help_text="Of the spot's daily bars, annual, 252 sessions a year.")
