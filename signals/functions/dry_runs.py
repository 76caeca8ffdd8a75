"""Try a function on sample data."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import numpy as np
from django.contrib.auth.models import User

from signals.functions.core.naming import digest_of
from signals.functions.core.registry import complete, internal_function
from signals.functions.models import FunctionRun
from signals.functions.running import Timed, run_internal, try_out
from signals.functions.samples import sample_bars, sample_joined, sample_needed
from signals.functions.sandbox.results import Outcome, Value
from signals.functions.selectors import Runnable, runnable
from signals.functions.services import record


def dry_run(user: User, asked: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the answer to a valid request (DryRunSerializer), with NaN for null.

    Raises InvalidInput, FunctionRefused, LimitExceeded or SandboxUnavailable.
    """
    data, params = _data(asked), asked.get("params") or {}
    rows = max((each.size for each in data.values()), default=0)
    if "internal" in asked:
        function = internal_function(asked["internal"], "internal")
        return _answer(_ours(function, data, complete(function, params, "params")), rows)
    chosen = (
        Runnable(user.pk, "", digest_of(asked["source"]), asked["source"])
        if "source" in asked
        else runnable(user, asked["function"], asked.get("version"), "function")
    )
    timed = try_out(chosen.source, data, params, asked["repeats"])
    record(
        user,
        name=chosen.name,
        digest=chosen.digest,
        action=FunctionRun.Action.DRY_RUN,
        now=now,
        reasons=[timed.outcome.reason],
        milliseconds=timed.start_ms + timed.first_ms,
    )
    return _answer(timed, rows)


def _data(asked: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """Return the caller's columns, or the sample's with what `join` asks for and what a function of ours needs."""
    if (given := asked.get("data")) is not None:
        return cast(Mapping[str, np.ndarray], given)
    data = sample_bars()
    joined = sample_joined(asked.get("join") or (), data)
    if "internal" in asked:
        needed = sample_needed(internal_function(asked["internal"], "internal").needs, data)
        return {**data, **needed, **joined}
    return {**data, **joined}


def _ours(function: Any, data: Mapping[str, np.ndarray], params: Mapping[str, Any]) -> Timed:
    begun = time.perf_counter()
    outcome = run_internal(function, data, params)
    return Timed(outcome, 0.0, 1000 * (time.perf_counter() - begun), None)


def _answer(timed: Timed, rows: int) -> dict[str, Any]:
    outcome = timed.outcome
    error = None
    if outcome.error is not None:
        error = {"type": outcome.error, "message": outcome.faults[0].message, "line": outcome.faults[0].line}
    return {
        "result": None if error else plain_result(outcome),
        "error": error,
        "printed": outcome.printed,
        "rows": rows,
        "timings": {
            "start_ms": round(timed.start_ms, 3),
            "first_ms": round(timed.first_ms, 3),
            "warm_ms": None if timed.warm_ms is None else round(timed.warm_ms, 3),
        },
    }


def plain_result(outcome: Outcome) -> Any:
    """Return values as JSON has them: NaN and infinity become null when they are encoded."""
    values = {name: _plain(each) for name, each in outcome.values.items()}
    return values if outcome.several else next(iter(values.values()))


def _plain(value: Value) -> Any:
    return np.ascontiguousarray(value, np.float64) if isinstance(value, np.ndarray) else value
