"""Rows of a job's answer, made of what one call gave."""

import numpy as np

from signals.functions.sandbox.results import Fault, Outcome, Value
from signalsite.foundation.computations.columns import OK
from timeframes.core.grid import instant

MOST_OUTPUTS = 16  # of a user's function in a job
UNAVAILABLE = "Unavailable"
NOT_JOINED = "NotJoined"
_WORDS = {UNAVAILABLE: "unavailable", NOT_JOINED: "not_joined"}
Row = tuple[int, str, str | None, str | None, int | None, str | None, float]
"""Item, status, reason, output, place, bar's time, value."""


def failure(kind: str, message: str, *, lasting: bool = True) -> Outcome:
    return Outcome({}, error=kind, faults=(Fault(message),), lasting=lasting)


def rows_of(item: int, outcome: Outcome, moments: np.ndarray, last: int) -> list[Row]:
    """Return the last elements of each result. `moments`: of the bars, microseconds since 1970. Always some row."""
    if outcome.error is None and len(outcome.values) > MOST_OUTPUTS:
        outcome = failure("BadResult", f"{len(outcome.values)} results; a job has at most {MOST_OUTPUTS}")
    if outcome.error is not None:
        word = "failed" if outcome.lasting else _WORDS.get(outcome.error, "stopped")
        return [(item, word, outcome.reason, None, None, None, np.nan)]
    rows: list[Row] = []
    for name, value in outcome.values.items():
        rows += _rows(item, name, value, moments, last)
    return rows or [(item, OK, None, None, None, None, np.nan)]


def _rows(item: int, name: str, value: Value, moments: np.ndarray, last: int) -> list[Row]:
    if not isinstance(value, np.ndarray):
        return [(item, OK, None, name, None, None, _finite(np.nan if value is None else float(value)))]
    if value.ndim > 1:
        reason = f"BadResult: {name!r} is a table, which a job has no rows for"
        return [(item, "failed", reason, name, None, None, np.nan)]
    of_bars = value.size == moments.size
    return [
        (
            *(item, OK, None, name, place),
            instant(int(moments[place])).isoformat() if of_bars else None,
            _finite(float(value[place])),
        )
        for place in range(max(value.size - last, 0), value.size)
    ]


def _finite(value: float) -> float:
    return value if np.isfinite(value) else np.nan
