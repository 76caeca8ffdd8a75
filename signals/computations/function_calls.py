"""Calls of functions on frames, whoever made them: a job, a schedule, a request."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils import timezone

from signals.computations.joined import Frame
from signals.functions.answer_rows import NOT_JOINED, UNAVAILABLE, failure
from signals.functions.core.internal import InternalFunction
from signals.functions.core.registry import complete
from signals.functions.models import FunctionRun
from signals.functions.running import FunctionRefused, process_of, run_internal
from signals.functions.sandbox.results import Outcome, Value
from signals.functions.sandbox.starter import SandboxUnavailable
from signals.functions.selectors import Runnable
from signals.functions.services import record
from signalsite.foundation.errors import LimitExceeded


def call_on_frames(
    function: InternalFunction | Runnable | None,
    frames: Sequence[Frame],
    arguments: Mapping[str, Any],
    *,
    seconds: float | None = None,
) -> list[Outcome]:
    """Call a function on each frame. All have bars. `function`: None where it has been deleted.

    A user's function runs in one warm process for all, and leaves one row in the log. It sees NaN in a column that did
    not join. An internal one that needs such a column fails, with the reason. `seconds`: how long a user's function may
    wait and run, if less than FUNCTIONS_BATCH_SECONDS.
    """
    if not frames:
        return []
    if function is None:
        return [
            failure(
                UNAVAILABLE,
                "there is no such function: it has been deleted, or its owner may no longer run functions",
                lasting=False,
            )
        ] * len(frames)
    if isinstance(function, InternalFunction):
        completed = complete(function, arguments, "arguments")
        return [_call_ours(function, frame, completed) for frame in frames]
    return _call_users(function, frames, arguments, seconds)


def newest_values(outcome: Outcome) -> dict[str, float]:
    """Return the last element of each of a call's results, NaN for null; of a table and of nothing, NaN."""
    return {name: _newest(value) for name, value in outcome.values.items()}


def _newest(value: Value) -> float:
    if isinstance(value, np.ndarray):
        last = float(value[-1]) if value.ndim == 1 and value.size else np.nan
    else:
        last = np.nan if value is None else float(value)
    return last if np.isfinite(last) else np.nan


def _call_ours(function: InternalFunction, frame: Frame, arguments: Mapping[str, Any]) -> Outcome:
    for name in function.needs:
        if (reason := frame.missing.get(name)) is not None:
            return failure(NOT_JOINED, f"it needs the column {name}: {reason}", lasting=False)
    return run_internal(function, frame.data(session=True), arguments)


def _call_users(
    function: Runnable, frames: Sequence[Frame], arguments: Mapping[str, Any], seconds: float | None
) -> list[Outcome]:
    begun = time.perf_counter()
    try:
        with process_of(function.source, of_request=False, seconds=seconds) as process:
            calls = [frame.data(session=False) for frame in frames]
            outcomes = list(process.call_many(calls, arguments))
    except FunctionRefused as error:
        outcomes = [Outcome({}, error="Refused", faults=error.faults)] * len(frames)
    except (SandboxUnavailable, LimitExceeded) as error:
        outcomes = [failure(UNAVAILABLE, str(error), lasting=False)] * len(frames)
    record(
        function.owner_id,
        name=function.name,
        digest=function.digest,
        action=FunctionRun.Action.JOB,
        now=timezone.now(),
        reasons=[each.reason for each in outcomes],
        milliseconds=1000 * (time.perf_counter() - begun),
    )
    return outcomes
