"""Indicators of scheduled runs: the values at the newest bar, for all instruments of a timeframe at once."""

from collections.abc import Iterable

from batch.configs.core.findings import Finding
from batch.configs.kinds.frames import frames_of
from batch.configs.kinds.units import Budget, Unit, run_unit, units_of
from signals.computations.newest_values import indicator_joins, newest_of_indicator
from signalsite.foundation.computations.registry import find

KIND = "indicators"


def evaluate(findings: Iterable[Finding], budget: Budget) -> None:
    asked = (
        ((finding.due, document.interval, document.anchor, document.indicators), finding, label)
        for finding in findings
        for document in [finding.document]
        for label in document.indicators
    )
    for unit in units_of(asked).values():
        run_unit(KIND, unit, _compute, budget)


def _compute(unit: Unit) -> str:
    first = unit.askers[0][0]
    joins = indicator_joins(first.document.indicators)
    frames = frames_of(first.document, first.due, unit.keys(), joins, bars=0)
    for finding, labels in unit.askers:
        for key in finding.document.instruments:
            frame = frames[key]
            for label in labels:
                found = newest_of_indicator(frame, label) if len(frame.bars) else (None, frame.reason)
                finding.set(key, KIND, label, *found)
    return f"{KIND} {find(KIND).version}"
