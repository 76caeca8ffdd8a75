"""What a configuration gave for one instrument at one moment."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    """What made a result: a due moment, a tick, or a tick of a back-test."""

    SCHEDULE = "schedule"
    TICK = "tick"
    BACKTEST = "backtest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredResult:
    """`time`: the moment that counted as now: the due one, or the tick's own. `tick`: the ID of the tick's entry.

    `values`: by kind and label, NaN or None for null:
    {"greeks": {"delta": 0.5}, "indicators": {"rsi(length=14)": {"RSI_14": 61.2}}, "functions": {"pivots": {"p": 1.0}},
    "external_functions": {"spread": {"value": 2.0}}}.
    `reasons`: why a value is missing, by "KIND.LABEL".
    """

    configuration: uuid.UUID
    name: str
    version: int
    owner_id: int
    instrument_key: str
    interval: str | None
    frequency: str | None
    time: datetime
    source: Source
    values: Mapping[str, Mapping[str, Any]]
    reasons: Mapping[str, str] = field(default_factory=dict)
    tick: str = ""
    run: int | None = None
