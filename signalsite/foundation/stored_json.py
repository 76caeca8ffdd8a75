"""JSON columns whose rows can always be read and shown: what is stored may be older than what the door lets in."""

from dataclasses import dataclass
from typing import Any

import orjson
from django.db import models


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In the place of a stored value that cannot be read. It says why, and neither encodes nor saves as JSON."""

    reason: str

    def __str__(self) -> str:
        return f"unreadable: {self.reason}"


def read_json(text: str | bytes) -> Any:
    """PostgreSQL keeps numbers of any size. One beyond 64 bits comes back as a float, which every encoder takes; one
    beyond floats makes the value Unreadable."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Unreadable(str(error))


class StoredJSONField(models.JSONField):
    """A JSONField that gives Unreadable instead of an error, so that one row never takes its neighbours along."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return read_json(value) if isinstance(value, str) else value

    def deconstruct(self) -> Any:
        """The column is a JSONField's, and migrations know it as one."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, options
