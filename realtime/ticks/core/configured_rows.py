"""The results of one configuration with ticks, from the columns that were computed for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from realtime.ticks.core.configured_greeks import GreeksOfTicks, unit_name
from realtime.ticks.core.configured_units import Computed
from realtime.ticks.core.plans import FUNCTIONS, GREEKS, INDICATORS, Plan
from realtime.ticks.core.tick import Tick
from signals.configs.core.results import ConfiguredResult, Source

NO_VALUE = "it has no value at this bar: too few bars before it, or nothing to divide by"
NO_BAR = "the tick is in no bar here: it came late, or outside the session, or bars are being loaded"
BY_WORKER = "a worker computes it, in a result of its own"
MEMBER = b',"configurations":{'


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of one label, a row for each tick of the cycle. `lacks`: whether none of them exists."""

    kind: str
    label: str
    name: str
    rows: list[dict[str, float]]
    lacks: list[bool]
    reason: str | None


def _column(kind: str, label: str, computed: Computed) -> _Column:
    if not computed.columns:
        return _Column(kind, label, f"{kind}.{label}", [], [], computed.reason)
    block = np.stack([*computed.columns.values()])
    rows = [dict(zip(computed.columns, row, strict=True)) for row in block.T.tolist()]
    lacks: list[bool] = np.logical_and.reduce(np.isnan(block), axis=0).tolist()
    return _Column(kind, label, f"{kind}.{label}", rows, lacks, computed.reason)


class PlanRows:
    """The results of a plan. `computed`: by name of the computation."""

    def __init__(
        self,
        plan: Plan,
        computed: Mapping[str, Computed],
        greeks: GreeksOfTicks,
        ticks: Sequence[Tick],
        source: Source,
    ) -> None:
        self.plan, self.computed, self.greeks, self.ticks, self.source = plan, computed, greeks, ticks, source
        self._always = {**plan.reasons, **{f"{kind}.{label}": BY_WORKER for kind, label in plan.heavy}}
        self._columns: dict[str, list[_Column]] = {}  # by exchange

    def result(self, place: int) -> ConfiguredResult:
        tick, plan = self.ticks[place], self.plan
        values: dict[str, dict[str, Any]] = {}
        reasons = dict(self._always)
        if plan.greeks is not None:
            made = self.computed.get(unit_name(plan.greeks_params)) if plan.greeks_params is not None else None
            values[GREEKS], missing = self.greeks.of(plan, place, made.reason if made else None)
            reasons |= missing
        for column in self._of(tick):
            row = column.rows[place] if column.rows else None
            values.setdefault(column.kind, {})[column.label] = row
            if column.reason is not None:
                reasons[column.name] = column.reason
            elif row is None or column.lacks[place]:
                reasons[column.name] = NO_VALUE
        return ConfiguredResult(
            configuration=plan.id,
            name=plan.name,
            version=plan.version,
            owner_id=plan.owner_id,
            instrument_key=tick.contract.text,
            interval=plan.document.interval,
            frequency=plan.document.frequency,
            time=tick.time,
            source=self.source,
            values=values,
            reasons=reasons,
            tick=tick.entry_id,
        )

    def _of(self, tick: Tick) -> list[_Column]:
        exchange = tick.contract.key.exchange
        found = self._columns.get(exchange)
        if found is None:
            kind = self.plan.kind_of(tick.contract.text)
            text = "" if kind is None else kind.text
            found = [
                _column(INDICATORS, label, self.computed[f"{spec} on {text}"])
                for label, (spec, _) in self.plan.indicators.items()
            ]
            found += [
                _column(FUNCTIONS, each.label, self.computed[f"{each.key} on {text}"]) for each in self.plan.functions
            ]
            self._columns[exchange] = found
        return found


def member_of(result: ConfiguredResult, before: bytes) -> bytes:
    """Return the member of a tick's state that has the results of its configurations, with one more."""
    about = {"version": result.version, "values": result.values, "reasons": result.reasons}
    value = orjson.dumps(result.name) + b":" + orjson.dumps(about)
    return (before[:-1] + b"," if before else MEMBER) + value + b"}"
