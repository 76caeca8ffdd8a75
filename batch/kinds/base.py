"""What the batch engine asks of a computation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework import serializers

from batch.core.items import Bounds, Items

IDENTITY: Mapping[str, type] = {"position": int, "custom_id": str, "instrument_key": str}
"""The columns that every answer begins with, whatever its kind, and their types."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a job's chunks share. `keys` are the items that a selector stood for; None where items were given."""

    as_of: datetime | None
    context: dict[str, Any]
    keys: list[str] | None = None
    newest: datetime | None = None
    """Where a selector stands for nothing at as_of: the newest quote there is."""


class Kind(ABC):
    name: str
    version: int
    """Of the computing: counted up when the same inputs would get another answer."""
    params_serializer: type[serializers.Serializer]
    overrides: Mapping[str, Bounds]
    """What an item may set for itself, and within which bounds."""
    fields: Mapping[str, type]
    """Columns of an answer after IDENTITY, in order, with the type of each (str, float, bool or int; any may be null);
    the first three are status, reason, retryable."""

    @abstractmethod
    def check_selector(self, selector: Mapping[str, Any]) -> None:
        """Raise InvalidInput, naming the field, where a selector can't select anything."""

    @abstractmethod
    def exchange(self, keys: Sequence[str], selector: Mapping[str, Any] | None) -> str:
        """The exchange in whose time zone an instant without one is meant."""

    @abstractmethod
    def prepare_items(self, keys: Sequence[str], as_of: datetime | None, params: Mapping[str, Any]) -> Prepared:
        """Find, once for the whole job, what every item needs. as_of None: the newest that is known of the keys."""

    @abstractmethod
    def prepare_selector(
        self, selector: Mapping[str, Any], as_of: datetime | None, params: Mapping[str, Any]
    ) -> Prepared:
        """The same, and the keys that the selector stands for."""

    @abstractmethod
    def compute(
        self, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]
    ) -> tuple[dict[str, list[Any]], str]:
        """Columns by name of `fields`, one element an item, NaN standing for null; and the digest of the stored data
        that they were computed from."""

    @abstractmethod
    def receipt(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What a caller is told of the context, by name, as JSON values."""

    @abstractmethod
    def digest(self, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]) -> str:
        """The digest that `compute` would give now: the same digest means the same answers."""
