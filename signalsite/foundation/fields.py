"""Serializer fields that take a JSON value as what it is, and bound it: no text for a number, no number for a text."""

import re
import sys
from typing import Any

from rest_framework import serializers

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII
)


class Number(serializers.FloatField):
    """A JSON number. Both bounds must be given: what is kept and computed with has an end."""

    def __init__(self, *, min_value: float, max_value: float, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> float:
        # NaN passes DRF's bounds, and an integer that no float holds breaks its conversion.
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= sys.float_info.max:
            self.fail("invalid")
        return super().to_internal_value(data)


class Integer(serializers.IntegerField):
    """A JSON number without a fraction. Both bounds must be given."""

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class Text(serializers.CharField):
    """A JSON string of at most `max_length` characters."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class Flag(serializers.BooleanField):
    """true or false; neither 1 nor "yes"."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Several(serializers.ListField):
    """A JSON list of at most `max_length` values. A longer one is refused as a whole: DRF would first make an error for
    each value in it."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number in a query, in ASCII digits: int() would take 1_0 and the digits of other scripts."""

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _WHOLE.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Day(serializers.DateField):
    """YYYY-MM-DD, and none of ISO 8601's other forms."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class Instant(serializers.DateTimeField):
    """An ISO 8601 instant or a date: Python's own parser lets other characters pass before the offset."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or not _INSTANT.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")
        return super().to_internal_value(value)
