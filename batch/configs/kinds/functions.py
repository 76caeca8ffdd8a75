"""Functions of scheduled runs: ours, and users' own, on the newest bars with what joins."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from batch.configs.core.findings import Finding
from batch.configs.kinds.frames import frames_of
from batch.configs.kinds.units import Budget, Unit, run_unit, text_of, units_of
from signals.computations.function_calls import call_on_frames
from signals.computations.joined import Frame
from signals.computations.newest_values import newest_of_call
from signals.configs.core.document import Document, FunctionAsked
from signals.configs.core.sections import joins_of
from signals.functions.core.internal import InternalFunction
from signals.functions.references import resolve
from signals.functions.sandbox.results import Outcome
from signals.functions.selectors import Runnable

INTERNAL, EXTERNAL = "functions", "external_functions"
MOST_CELLS = 250_000
"""Values of bars and of what joins that are in memory at once."""
_What = tuple[datetime, str | None, str | None, int, str, str, str]


def evaluate(findings: Iterable[Finding], budget: Budget) -> None:
    """Ours first: users' functions may take seconds. Frames go after the last function that asks for them."""
    findings = list(findings)
    units = [(kind, *each) for kind in (INTERNAL, EXTERNAL) for each in units_of(_asked(findings, kind)).items()]
    users = Counter(what[:5] for _, what, _ in units)
    loaded: dict[Any, dict[str, Frame]] = {}
    for kind, what, unit in units:
        frames = loaded.setdefault(what[:5], {})
        run_unit(kind, unit, partial(_compute, kind=kind, what=what, frames=frames, budget=budget), budget)
        users[what[:5]] -= 1
        if not users[what[:5]]:
            del loaded[what[:5]]


def _asked(findings: Iterable[Finding], kind: str) -> Iterator[tuple[_What, Finding, str]]:
    for finding in findings:
        document = finding.document
        for each in _of(document, kind):
            data = text_of({"join": document.join, "greeks": document.greeks.params if document.greeks else {}})
            place = (finding.due, document.interval, document.anchor, document.bars)
            yield (*place, data, each.function, text_of(each.params)), finding, each.label


def _of(document: Document, kind: str) -> tuple[FunctionAsked, ...]:
    return document.functions if kind == INTERNAL else document.external_functions


def _version(function: InternalFunction | Runnable | None, reference: str) -> str:
    if isinstance(function, InternalFunction):
        return f"{function.name} {function.version}"
    return reference if function is None else f"{function.name} {function.digest}"


def _compute(unit: Unit, kind: str, what: _What, frames: dict[str, Frame], budget: Budget) -> str:
    """Call a function on the bars of all instruments. `frames`: what another function has seen already, and may."""
    document, keys, function = unit.askers[0][0].document, unit.keys(), resolve(what[-2])
    joins, arguments = joins_of(document.join), orjson.loads(what[-1])
    greeks = document.greeks.params if document.greeks else None
    most = max(MOST_CELLS // ((document.bars + 1) * (1 + len(joins))), 1)
    outcomes: dict[str, Outcome] = {}
    barless: dict[str, str | None] = {}
    for first in range(0, len(keys), most):
        some = keys[first : first + most]
        if len(frames.keys() | some) > most:
            frames.clear()
        if lacking := [key for key in some if key not in frames]:
            frames |= frames_of(document, what[0], lacking, joins, bars=document.bars, greeks=greeks)
        able = [key for key in some if len(frames[key].bars)]
        called = call_on_frames(function, [frames[key] for key in able], arguments, seconds=budget.left_seconds())
        outcomes |= zip(able, called, strict=True)
        barless |= {key: frames[key].reason for key in some if key not in outcomes}
    for finding, labels in unit.askers:
        for key in finding.document.instruments:
            for label in labels:
                outcome = outcomes.get(key)
                found = (None, barless[key]) if outcome is None else newest_of_call(outcome)
                finding.set(key, kind, label, *found)
    return _version(function, what[-2])
