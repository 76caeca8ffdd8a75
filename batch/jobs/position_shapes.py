"""The shapes of `POST positions/greeks`."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from batch.jobs.examples import LEGS
from signals.positions.core.answer import LEG_NUMBERS, TOTAL_NAMES
from signals.positions.core.cells import CELL_NAMES
from signalsite.foundation.computations.contract import MOST_LEGS
from signalsite.foundation.computations.registry import find
from signalsite.foundation.computations.requests import leg_schema, params_serializer, receipt_fields
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Text
from signalsite.foundation.serializers import StrictSerializer

_KIND = find("portfolios")
Shape = type[serializers.Serializer]


@extend_schema_field(
    {"type": "array", "minItems": 1, "maxItems": MOST_LEGS, "items": leg_schema(_KIND)},
)
class LegsField(serializers.Field):
    """The legs as they came: `signals.positions.core.legs` reads them, ten thousand at a time."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class PositionRequestSerializer(StrictSerializer):
    """A portfolio, the instant and the parameters."""

    legs = LegsField()
    params = params_serializer(_KIND)(required=False)
    as_of = Text(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="ISO instant. Without an offset, it is in the time zone of the first leg's exchange. A date means "
        "that session's close. Default: the newest quote of the legs.",
    )

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise InvalidInput("body", "must be a JSON object")
        return super().to_internal_value({"params": {}, **data})


def _numbers(*names: str, **more: serializers.Field) -> dict[str, Any]:
    return {**{name: serializers.FloatField(allow_null=True) for name in names}, **more}


def _shape(name: str, doc: str, fields: dict[str, Any]) -> Shape:
    return type(name, (serializers.Serializer,), {"__doc__": doc, **fields})


def _text(**options: Any) -> serializers.Field:
    return serializers.CharField(allow_null=True, **options)


_TotalsSerializer = _shape(
    "PositionTotalsSerializer",
    "Sums of quantity x value. A total that lacks a leg is null, unless `partial` asks for the sum of the rest.",
    _numbers(*TOTAL_NAMES, legs=serializers.IntegerField(), legs_left_out=serializers.IntegerField()),
)
_NetSerializer = _shape(
    "PositionNetSerializer",
    "The totals of all legs.",
    {
        **_TotalsSerializer().get_fields(),
        "complete": serializers.BooleanField(help_text="Whether every leg has a value and Greeks."),
        "reason": _text(help_text="What is left out and why, or why nothing can be added."),
        "currency": _text(help_text="Of all money here. Null if the legs have several."),
        "legs_without_price_paid": serializers.IntegerField(),
    },
)
_UnderlyingSerializer = _shape(
    "PositionUnderlyingSerializer",
    "The totals of one underlying's legs.",
    {"underlying": serializers.CharField(), "currency": _text(), **_TotalsSerializer().get_fields()},
)
_PayoffSerializer = _shape(
    "PositionPayoffSerializer",
    "What the portfolio earns at expiry, if it has one underlying and one expiry. Else `reason` says why not.",
    {
        "reason": _text(),
        "underlying": _text(),
        "expiry": _text(),
        "cost": serializers.FloatField(allow_null=True, help_text="At the prices paid, else those now."),
        "break_evens": serializers.ListField(
            child=serializers.FloatField(), allow_null=True, help_text="Prices of the underlying at which it earns 0."
        ),
        "max_profit": serializers.FloatField(allow_null=True, help_text="Null if unlimited."),
        "unlimited_profit": serializers.BooleanField(allow_null=True),
        "max_loss": serializers.FloatField(allow_null=True, help_text="The least profit. Null if unlimited."),
        "unlimited_loss": serializers.BooleanField(allow_null=True),
    },
)
_CellSerializer = _shape(
    "PositionCellSerializer",
    "The model's totals under one combination of shocks. `profit_and_loss` is that since now.",
    {
        **_numbers("spot_shock", "volatility_shock", "days_forward", *CELL_NAMES),
        "legs_left_out": serializers.IntegerField(),
        "legs_expired": serializers.IntegerField(),
        "reason": _text(),
    },
)
_LegSerializer = _shape(
    "PositionLegSerializer",
    "A leg. Prices and Greeks are for one unit of the underlying; the last four values for all units held.",
    {
        "position": serializers.IntegerField(),
        "instrument_key": serializers.CharField(),
        "status": serializers.ChoiceField(["ok", *(each.word for each in _KIND.words)]),
        "reason": _text(),
        "price_source": _text(help_text="mid, last, settle, close, override or model."),
        **_numbers(*LEG_NUMBERS),
    },
)


def _answer_fields() -> dict[str, Any]:
    return {
        "as_of": serializers.DateTimeField(),
        "params": params_serializer(_KIND)(help_text="Every parameter with its default filled in."),
        **receipt_fields(_KIND),
        "net": _NetSerializer(),
        "underlyings": _UnderlyingSerializer(many=True),
        "payoff": _PayoffSerializer(),
        "grid": _CellSerializer(many=True, help_text="In the order of spot, volatility and days."),
        "legs": _LegSerializer(many=True, help_text="In the order of the request."),
    }


PositionAnswerSerializer = _shape("PositionAnswerSerializer", "A portfolio at one instant.", _answer_fields())

POSITION_EXAMPLE = OpenApiExample(
    "A short straddle with a future, under shocks",
    {"legs": LEGS, "params": {"spot_shocks": [-0.02, 0.0, 0.02], "volatility_shocks": [0.0, 0.05]}},
    request_only=True,
)
