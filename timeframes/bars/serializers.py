"""What the addresses of bars take and answer."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from signalsite.foundation.fields import Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.grid import Anchor
from timeframes.core.timeframe import (
    LONGEST_TEXT,
    MOST_DAYS,
    MOST_MONTHS,
    PATTERN,
    STANDARD,
    InvalidTimeframe,
    parse_timeframe,
)

DEFAULT_LIMIT, MOST_ROWS = 1_000, 10_000
LONGEST_MOMENT = 40


class NoQuerySerializer(StrictSerializer):
    """An address without parameters."""


@extend_schema_field({"type": "string", "pattern": PATTERN, "maxLength": LONGEST_TEXT})
class TimeframeField(serializers.CharField):
    """A timeframe in a query, as its seconds or months."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> Any:
        try:
            return parse_timeframe(data)
        except InvalidTimeframe as error:
            raise serializers.ValidationError(str(error)) from error


class BarsRangeSerializer(StrictSerializer):
    """Which bars of an instrument."""

    timeframe = TimeframeField(
        help_text=f"A whole number and one of s, m, h, d, w, mo: {', '.join(STANDARD)}, 7m, 90s, 1w, 3mo; at most "
        f"{MOST_DAYS}d or {MOST_MONTHS}mo."
    )
    start_time = Text(
        max_length=LONGEST_MOMENT,
        help_text="Bars that begin at or after it. ISO 8601; without an offset, in the exchange's zone. A date is its "
        "midnight there.",
    )
    end_time = Text(
        required=False,
        max_length=LONGEST_MOMENT,
        help_text="Bars that begin before it. A date is included. Default: now.",
    )
    anchor = serializers.ChoiceField(
        [each.value for each in Anchor],
        required=False,
        help_text="`session`: bars count from the opening of each session, and data outside the sessions is in no bar. "
        "`epoch`: they count from 1970-01-01T00:00Z. Default: `epoch` on crypto exchanges, else `session`.",
    )


class BarsQuerySerializer(BarsRangeSerializer):
    cursor = Text(required=False, max_length=LONGEST_MOMENT, help_text="`next_cursor` of a page.")
    limit = Whole(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MOST_ROWS)


def _number(help_text: str) -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=help_text)


class BarSerializer(serializers.Serializer):
    time = serializers.DateTimeField(help_text="The beginning of the bar, in UTC.")
    open = serializers.FloatField(help_text="The first price.")
    high = serializers.FloatField(help_text="The highest price.")
    low = serializers.FloatField(help_text="The lowest price.")
    close = serializers.FloatField(help_text="The last price.")
    volume = _number("Traded in the bar, in units of the underlying; null where no source says.")
    vwap = _number("Volume-weighted average price; null where nothing traded.")
    vwap_source = serializers.ChoiceField(
        ["trades", "typical"],
        allow_null=True,
        help_text="`trades`: the average of trades. `typical`: some part that traded had no average of its own and "
        "counts with (high + low + close) / 3.",
    )
    open_interest = _number("The last known in the bar, in units of the underlying.")
    trades = serializers.IntegerField(allow_null=True, help_text="How many trades, or ticks that traded.")
    complete = serializers.BooleanField(help_text="false: the bar is still open.")


class BarsPageSerializer(serializers.Serializer):
    instrument_key = serializers.CharField()
    timeframe = serializers.CharField(help_text="In its shortest form: 60m is 1h.")
    seconds = serializers.IntegerField(allow_null=True, help_text="Its length; null for months.")
    anchor = serializers.ChoiceField([each.value for each in Anchor])
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = BarSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


class StoredSerializer(serializers.Serializer):
    timeframe = serializers.CharField(allow_null=True, help_text="Of stored bars; null for ticks.")
    first = serializers.DateTimeField(help_text="Beginning of the first bar, or time of the first tick.")
    last = serializers.DateTimeField()


class AvailableTimeframesSerializer(serializers.Serializer):
    instrument_key = serializers.CharField()
    anchor = serializers.ChoiceField([each.value for each in Anchor], help_text="The default of the exchange.")
    stored = StoredSerializer(many=True)
    timeframes = serializers.ListField(
        child=serializers.CharField(),
        help_text="Those of the standard list that can be made. Others can be too: whatever stored bars fit into, and "
        "with ticks any.",
    )
