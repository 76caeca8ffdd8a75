"""The queries of the instrument service's addresses."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from signals.instruments.views import checked_key
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Day, Text
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import MAX_KEY_LENGTH
from timeframes.core.sessions import parse_instant

LONGEST_RANGE_DAYS = 366
_NUMBER = r"0?\.[0-9]{1,6}"


class UnderlyingQuery(StrictSerializer):
    underlying = Text(max_length=MAX_KEY_LENGTH, help_text="Key (NSE@NIFTY) or symbol (NIFTY).")
    expiry = Day(required=False, help_text="Default: the nearest.")

    def validate_underlying(self, name: str) -> str:
        return checked_key(name, "underlying")


class LevelQuery(UnderlyingQuery):
    level = Text(max_length=24, help_text="ATM, ITM1, OTM2, OTM, OTM_PCT_2_5, OTM25D, ...")


class DeltaQuery(UnderlyingQuery):
    delta = serializers.RegexField(_NUMBER, max_length=8, help_text="Absolute: 0.05 to 0.95.")
    option_type = serializers.ChoiceField(["call", "put"])

    def validate_delta(self, text: str) -> float:
        if not 0.0 < float(text) < 1.0:
            raise serializers.ValidationError("must be over 0 and under 1")
        return float(text)


class KeyQuery(StrictSerializer):
    instrument_key = Text(max_length=MAX_KEY_LENGTH)

    def validate_instrument_key(self, text: str) -> str:
        return checked_key(text, "instrument_key")


class HistoryQuery(StrictSerializer):
    underlying = Text(max_length=MAX_KEY_LENGTH, help_text="Key (NSE@NIFTY) or symbol (NIFTY).")
    start_time = Text(max_length=40, help_text="ISO instant; without an offset, in the exchange's zone.")
    end_time = Text(max_length=40, help_text="ISO instant, after start_time, which does not count any more.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs["underlying"] = checked_key(attrs["underlying"], "underlying")
        exchange = attrs["underlying"].partition("@")[0]
        for name in ("start_time", "end_time"):
            attrs[name] = parse_instant(attrs[name], exchange, name)
        if not 0 < (attrs["end_time"] - attrs["start_time"]).total_seconds() <= LONGEST_RANGE_DAYS * 86_400:
            raise InvalidInput("end_time", f"end_time must be after start_time, by {LONGEST_RANGE_DAYS} days at most")
        return attrs


def read(request: Request, query: type[StrictSerializer]) -> dict[str, Any]:
    found = query(data=request.query_params.dict())
    found.is_valid(raise_exception=True)
    values: dict[str, Any] = found.validated_data
    return values
