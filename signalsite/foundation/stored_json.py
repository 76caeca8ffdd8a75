"""JSON columns that can always be read. Stored values may be older than our validation."""

from dataclasses import dataclass
from typing import Any

import orjson
from django.db import models


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a stored value that cannot be read, and says why. It cannot be encoded or saved as JSON."""

    reason: str

    def __str__(self) -> str:
        return f"unreadable: {self.reason}"


def read_json(text: str | bytes) -> Any:
    """Decode a JSON value of PostgreSQL, which keeps numbers of any size.

    A number beyond 64 bits becomes a float, and one beyond floats makes the value Unreadable."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Unreadable(str(error))


class StoredJSONField(models.JSONField):
    """A JSONField that returns Unreadable instead of raising, so that one bad row does not fail a whole query."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return read_json(value) if isinstance(value, str) else value

    def deconstruct(self) -> Any:
        """Appear as a plain JSONField in migrations."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, options
