"""Indicators of scheduled runs: the values at the newest bar, for all instruments of a timeframe at once."""

from collections.abc import Iterable

import numpy as np

from batch.configs.core.findings import Finding
from batch.configs.kinds.frames import frames_of
from batch.configs.kinds.units import Budget, Unit, run_unit, units_of
from signals.functions.core.joins import Join, Kind
from signals.indicators.core.compute import names_of
from signals.indicators.core.spec import parse_spec
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
    specs = {text: parse_spec(text, KIND) for text in first.document.indicators}
    outputs = {text: names_of(spec) for text, spec in specs.items()}
    joins = tuple(
        (f"{text}#{name}", Join(kind=Kind.INDICATORS, spec=specs[text], column=name))
        for text, names in outputs.items()
        for name in names
    )
    frames = frames_of(first.document, first.due, unit.keys(), joins, bars=0)
    for finding, labels in unit.askers:
        for key in finding.document.instruments:
            frame = frames[key]
            for label in labels:
                if not len(frame.bars):
                    finding.set(key, KIND, label, None, frame.reason)
                    continue
                values = {name: float(frame.joined[f"{label}#{name}"][-1]) for name in outputs[label]}
                lacking = next((name for name, value in values.items() if not np.isfinite(value)), None)
                reason = None if lacking is None else f"{lacking}: {frame.missing.get(f'{label}#{lacking}')}"
                finding.set(key, KIND, label, values, reason)
    return f"{KIND} {find(KIND).version}"
