"""Greeks of scheduled runs: one call of the computation for all that ask for them in the same way at the same time."""

import json
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from batch.configs.core.findings import Finding, is_known
from batch.configs.kinds.units import Budget, Unit, run_unit, text_of, units_of
from signals.configs.core.document import GreeksAsked
from signalsite.foundation.computations.registry import find

KIND = "greeks"


def evaluate(findings: Iterable[Finding], budget: Budget) -> None:
    asked = (
        ((finding.due, text_of(_params(greeks))), finding, label)
        for finding in findings
        if (greeks := finding.document.greeks) is not None
        for label in greeks.columns
    )
    for (due, params), unit in units_of(asked).items():
        run_unit(KIND, unit, partial(_compute, due=due, params=json.loads(params)), budget)


def _params(greeks: GreeksAsked) -> dict[str, Any]:
    """Return all parameters, and among them those columns that exist only on request."""
    computation = find(KIND)
    params: dict[str, Any] = {**computation.defaults, **greeks.params}
    for name in greeks.columns:
        if (picker := computation.picked.get(name)) is not None and name not in params[picker]:
            params[picker] = [*params[picker], name]
    return params


def _compute(unit: Unit, due: datetime, params: dict[str, Any]) -> str:
    computation, keys = find(KIND), unit.keys()
    columns = computation.evaluate(computation.load(keys, {}, due, params, {})).columns
    place = {key: at for at, key in enumerate(keys)}
    values = {name: _plain(columns[name]) for name in dict.fromkeys(name for _, names in unit.askers for name in names)}
    reasons = columns["reason"]
    for finding, labels in unit.askers:
        for key in finding.document.instruments:
            at = place[key]
            for label in labels:
                value = values[label][at]
                reason = None if is_known(value) else (reasons[at] or f"{label} does not apply to it")
                finding.set(key, KIND, label, value, reason)
    return f"{KIND} {computation.version}"


def _plain(column: Any) -> list[Any]:
    return column.tolist() if hasattr(column, "tolist") else list(column)
