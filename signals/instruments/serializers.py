"""What the listing takes and answers."""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from signals.instruments.models import Underlying
from signalsite.foundation.fields import Day, Text, Whole
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.keys import MAX_KEY_LENGTH, Product
from timeframes.quotes.models import Quote

DEFAULT_LIMIT, MOST_ROWS = 1_000, 5_000
_STRIKE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)


class QueryStrike(serializers.FloatField):
    """A strike in a query: up to 12 digits, then up to 6 decimals, as the table holds it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _STRIKE.fullmatch(data):
            self.fail("invalid")
        return Decimal(data)


class QueryFlag(serializers.BooleanField):
    """`true` or `false` in a query, and none of the other words that DRF takes for them."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            self.fail("invalid", input=data)
        return bool(data == "true")


def _exchange() -> serializers.ChoiceField:
    return serializers.ChoiceField(sorted(name for name in EXCHANGES if name), required=False)


class UnderlyingsQuerySerializer(StrictSerializer):
    exchange = _exchange()
    cursor = Text(required=False, max_length=MAX_KEY_LENGTH, help_text="`next_cursor` of a page.")
    limit = Whole(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MOST_ROWS)


class InstrumentsQuerySerializer(UnderlyingsQuerySerializer):
    underlying = Text(
        required=False, max_length=MAX_KEY_LENGTH, help_text="Key (`NSE@NIFTY`) or symbol (`NIFTY`) of the underlying."
    )
    product = serializers.ChoiceField([each.value for each in Product if each], required=False)
    right = serializers.ChoiceField(["call", "put"], required=False)
    expiry_min = Day(required=False, help_text="Earliest expiry date, inclusive.")
    expiry_max = Day(required=False, help_text="Latest expiry date, inclusive.")
    strike_min = QueryStrike(required=False, help_text="Lowest strike, inclusive.")
    strike_max = QueryStrike(required=False, help_text="Highest strike, inclusive.")
    live = QueryFlag(
        required=False,
        help_text="`true`: only instruments with a live state; `false`: only those without. A page may then hold fewer "
        "rows than `limit`, even none, while `next_cursor` is set.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("expiry", "strike"):
            least, most = attrs.get(f"{name}_min"), attrs.get(f"{name}_max")
            if least is not None and most is not None and least > most:
                raise serializers.ValidationError({f"{name}_max": f"must not be below {name}_min"})
        return attrs


class NoQuerySerializer(StrictSerializer):
    """An address without parameters."""


class UnderlyingSerializer(serializers.ModelSerializer):
    class Meta:
        model = Underlying
        fields = (
            "key",
            "exchange",
            "symbol",
            "spot_key",
            "volatility_index_key",
            "pricing_model",
            "exercise",
            "dividend_yield",
        )
        read_only_fields = fields  # an answer has all of them


class UnderlyingPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = UnderlyingSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


_DAYS = (
    "Whole days from today's date at the exchange to the expiry date; 0 on the last day, negative once expired, null"
    " where the exchange is unknown."
)


@extend_schema_serializer(component_name="ListedExpiry")  # generators mix up a type and a field of one name
class ExpirySerializer(serializers.Serializer):
    expiry = serializers.DateField(help_text="Date in the exchange's time zone.")
    expires_at = serializers.DateTimeField(help_text="Moment at which the last contract of this date expires, in UTC.")
    days_to_expiry = serializers.IntegerField(allow_null=True, help_text=_DAYS)
    options = serializers.IntegerField(help_text="Number of options listed.")
    futures = serializers.IntegerField(help_text="Number of futures listed.")
    strikes = serializers.IntegerField(help_text="Number of different strikes.")
    lowest_strike = serializers.FloatField(allow_null=True)
    highest_strike = serializers.FloatField(allow_null=True)


class ExpiriesSerializer(serializers.Serializer):
    underlying = serializers.CharField()
    data = ExpirySerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


class InstrumentSerializer(serializers.Serializer):
    instrument_key = serializers.CharField()
    underlying = serializers.CharField(help_text="Key of the underlying.")
    exchange = serializers.CharField(help_text="Empty for a pair on no particular exchange.")
    product = serializers.ChoiceField([each.value for each in Product if each])
    expiry = serializers.DateField(allow_null=True, help_text="Date in the exchange's time zone; null for a spot.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Exact moment of expiry, in UTC.")
    days_to_expiry = serializers.IntegerField(allow_null=True, help_text=_DAYS)
    right = serializers.CharField(allow_null=True, help_text="`call` or `put`; null for what is no option.")
    strike = serializers.FloatField(allow_null=True)
    lot_size = serializers.IntegerField(allow_null=True, help_text="Units of one lot; null where no source gave it.")
    tick_size = serializers.FloatField(allow_null=True, help_text="Smallest price step; null where no source gave it.")
    live = serializers.BooleanField(
        allow_null=True, help_text="Whether it has a live state (`realtime/greeks/{key}`); null while Redis is away."
    )


class InstrumentPageSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor`; null on the last page.")
    data = InstrumentSerializer(many=True)  # type: ignore[assignment]  # the metaclass takes fields out of the class


class QuoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = Quote
        fields = ("time", "bid", "ask", "last", "settle", "close", "volume", "open_interest", "source")
        read_only_fields = fields  # an answer has all of them


class InstrumentDetailSerializer(InstrumentSerializer):
    quote = QuoteSerializer(allow_null=True, help_text="The newest stored quote; null where none is stored.")
