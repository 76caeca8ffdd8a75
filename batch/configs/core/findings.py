"""What the runs of a group ask for, and what each has found so far. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from signals.configs.core.document import Document


@dataclass(slots=True)
class KindCosts:
    """How a kind's values of one run were made. `milliseconds`: its share of what several runs had computed at once."""

    versions: dict[str, None] = field(default_factory=dict)
    milliseconds: float = 0.0

    def add(self, version: str, milliseconds: float) -> None:
        self.versions[version] = None
        self.milliseconds += milliseconds


@dataclass(slots=True)
class Finding:
    """`values`: by instrument, kind and label; None or NaN where there is none. `reasons`: by instrument and
    "KIND.LABEL"."""

    due: datetime
    document: Document
    values: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    costs: dict[str, KindCosts] = field(default_factory=dict)

    def set(self, instrument: str, kind: str, label: str, value: Any, reason: str | None = None) -> None:
        self.values.setdefault(instrument, {}).setdefault(kind, {})[label] = value
        if reason is not None:
            self.reasons.setdefault(instrument, {})[f"{kind}.{label}"] = reason

    def fail(self, kind: str, labels: Sequence[str], reason: str) -> None:
        """A whole kind, or a part of it, has no value for any instrument."""
        for instrument in self.document.instruments:
            for label in labels:
                self.set(instrument, kind, label, None, reason)

    def spend(self, kind: str, version: str, milliseconds: float) -> None:
        self.costs.setdefault(kind, KindCosts()).add(version, milliseconds)

    def missing(self) -> int:
        return sum(map(len, self.reasons.values()))

    def counts(self, kind: str) -> tuple[int, int]:
        """Return how many values of a kind there are, and how many have a reason in their place."""
        there = sum(_numbers(each.get(kind, {})) for each in self.values.values())
        return there, sum(name.startswith(f"{kind}.") for each in self.reasons.values() for name in each)


def _numbers(values: Mapping[str, Any]) -> int:
    return sum(_numbers(each) if isinstance(each, Mapping) else is_known(each) for each in values.values())


def is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))
