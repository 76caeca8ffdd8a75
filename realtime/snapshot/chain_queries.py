"""Requests for what a chain says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from rest_framework import serializers

from moneyness.core.level_grammar import read_level
from realtime.core.topic_grammar import DEEPEST
from signalsite.foundation.fields import Day, Decimal, Text
from signalsite.foundation.serializers import StrictSerializer

SMALLEST_DELTA, LARGEST_DELTA = 0.0001, 0.9999
_AS_OF = (
    "A past instant: the answer as it was then, from what is stored. ISO 8601, in the exchange's zone where it has no "
    "offset; a date means the close of that session. Default: live."
)


class UnderlyingQuerySerializer(StrictSerializer):
    """A read about an underlying."""

    as_of = Text(required=False, max_length=40, help_text=_AS_OF)


class ExpiryQuerySerializer(UnderlyingQuerySerializer):
    """A read about one expiry."""

    expiry = Day(required=False, help_text="Default: the nearest.")


class DeltaQuerySerializer(ExpiryQuerySerializer):
    """The option at a delta."""

    delta = Decimal(min_value=SMALLEST_DELTA, max_value=LARGEST_DELTA, help_text="Absolute: 0.05.")
    option_type = serializers.ChoiceField(["call", "put"])


@dataclass(frozen=True, slots=True)
class ChainQuery:
    """`as_of`: empty for the live answer."""

    expiry: date | None = None
    as_of: str = ""
    delta: float = 0.0
    call: bool = False


@lru_cache(maxsize=512)
def _read(kind: type[StrictSerializer], parameters: tuple[tuple[str, str], ...]) -> ChainQuery:
    """Parse and cache a query: the serializer takes as long as the rest of the response, and most queries are equal."""
    query = kind(data=dict(parameters))
    query.is_valid(raise_exception=True)
    found = dict(query.validated_data)
    return ChainQuery(
        expiry=found.get("expiry"),
        as_of=found.get("as_of", ""),
        delta=found.get("delta", 0.0),
        call=found.get("option_type") == "call",
    )


def read_query(kind: type[StrictSerializer], parameters: Mapping[str, str]) -> ChainQuery:
    """Raises ValidationError."""
    return _read(kind, tuple(parameters.items()))


def level_named(text: str) -> str:
    """Return the name of a level. Raises UnknownLevel, under the name `moneyness_level`."""
    return read_level(text, DEEPEST).name
