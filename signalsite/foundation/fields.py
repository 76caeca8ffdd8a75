"""Serializer fields that accept only the right JSON type within bounds: no text for a number, no number for a text."""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII
)


class Number(serializers.FloatField):
    """A JSON number. Both bounds are required."""

    def __init__(self, *, min_value: float, max_value: float, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> float:
        # NaN passes DRF's bounds, and an integer beyond floats breaks its conversion.
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= sys.float_info.max:
            self.fail("invalid")
        return super().to_internal_value(data)


class Integer(serializers.IntegerField):
    """A JSON number without a fraction. Both bounds are required."""

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
    """A JSON list of at most `max_length` values.

    A longer list gets one error, where DRF would first make an error for each value."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class Choices(Several):
    """A JSON list of one or more of these words, each at most once."""

    default_error_messages = {"repeated": '"{input}" is named {count} times.'}

    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        # The words come before the input, which may be so long that the message is cut.
        unknown = f'must be one of {", ".join(choices)}; not "{{input}}".'
        child = serializers.ChoiceField(list(choices), error_messages={"invalid_choice": unknown})
        super().__init__(child=child, min_length=1, **options)

    def to_internal_value(self, data: Any) -> Any:
        words = super().to_internal_value(data)
        for word, count in Counter(words).items():
            if count > 1:
                self.fail("repeated", input=word, count=count)
        return words


class Whole(serializers.IntegerField):
    """A whole number in a query string, in ASCII digits. int() also accepts 1_0 and digits of other scripts."""

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _WHOLE.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Decimal(serializers.FloatField):
    """A number in a query string, in ASCII digits. float() also accepts nan, 1_0 and digits of other scripts."""

    def __init__(self, *, min_value: float, max_value: float, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, str) or not _DECIMAL.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Day(serializers.DateField):
    """A date as YYYY-MM-DD, and in no other form of ISO 8601."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class Instant(serializers.DateTimeField):
    """An ISO 8601 instant or date. Python's parser accepts other characters before the offset."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or not _INSTANT.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")
        return super().to_internal_value(value)
