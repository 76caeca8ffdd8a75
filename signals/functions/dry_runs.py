"""Try a function on sample data, on the caller's, or on the bars of a stored instrument."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
from django.contrib.auth.models import User

from signals.functions.answer_rows import NOT_JOINED, failure
from signals.functions.core.internal import InternalFunction
from signals.functions.core.naming import digest_of
from signals.functions.core.registry import complete, internal_function
from signals.functions.models import FunctionRun
from signals.functions.running import Timed, run_internal, try_out
from signals.functions.samples import sample_bars, sample_joined, sample_needed
from signals.functions.sandbox.results import Outcome, Value
from signals.functions.selectors import Runnable, runnable
from signals.functions.services import record
from timeframes.core.grid import instant

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class StoredBars:
    """What a function sees of an instrument. `with_sessions`: what one of ours sees. `missing`: by name, why a column
    that joins has no value at any bar. `times`: where the bars begin, in microseconds since 1970."""

    data: Columns
    with_sessions: Columns
    missing: Mapping[str, str]
    times: np.ndarray


ReadStored = Callable[..., StoredBars]
"""Reads the bars of a valid request that names an instrument; `now` is its keyword."""


def dry_run(user: User, asked: Mapping[str, Any], *, now: datetime, read_stored: ReadStored) -> dict[str, Any]:
    """Return the answer to a valid request (DryRunSerializer), with NaN for null.

    Raises InvalidInput, FunctionRefused, LimitExceeded or SandboxUnavailable, and what `read_stored` raises.
    """
    stored = read_stored(asked, now=now) if "instrument_key" in asked else None
    data, params = _data(asked) if stored is None else stored.data, asked.get("params") or {}
    about = _about(data, stored)
    if "internal" in asked:
        function = internal_function(asked["internal"], "internal")
        if stored is not None:
            data = stored.with_sessions
        return _answer(_ours(function, data, complete(function, params, "params"), stored), about)
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
    return _answer(timed, about)


def _about(data: Columns, stored: StoredBars | None) -> dict[str, Any]:
    first, last = (None, None) if stored is None else (instant(int(stored.times[place])) for place in (0, -1))
    return {
        "rows": max((each.size for each in data.values()), default=0),
        "first_bar": first,
        "last_bar": last,
        "missing": {} if stored is None else dict(stored.missing),
    }


def _data(asked: Mapping[str, Any]) -> Columns:
    """Return the caller's columns, or the sample's with what `join` asks for and what a function of ours needs."""
    if (given := asked.get("data")) is not None:
        return cast(Columns, given)
    data = sample_bars()
    joined = sample_joined(asked.get("join") or (), data)
    if "internal" in asked:
        needed = sample_needed(internal_function(asked["internal"], "internal").needs, data)
        return {**data, **needed, **joined}
    return {**data, **joined}


def _ours(function: InternalFunction, data: Columns, params: Mapping[str, Any], stored: StoredBars | None) -> Timed:
    for name in function.needs:
        if stored is not None and (reason := stored.missing.get(name)) is not None:  # as in a run
            return Timed(failure(NOT_JOINED, f"it needs the column {name}: {reason}"), 0.0, 0.0, None)
    begun = time.perf_counter()
    outcome = run_internal(function, data, params)
    return Timed(outcome, 0.0, 1000 * (time.perf_counter() - begun), None)


def _answer(timed: Timed, about: Mapping[str, Any]) -> dict[str, Any]:
    outcome = timed.outcome
    error = None
    if outcome.error is not None:
        error = {"type": outcome.error, "message": outcome.faults[0].message, "line": outcome.faults[0].line}
    return {
        "result": None if error else plain_result(outcome),
        "error": error,
        "printed": outcome.printed,
        **about,
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
