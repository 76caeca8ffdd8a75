"""Run functions: ours in this process, users' in the sandbox, with the site's limits."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings

from signals.functions.core.internal import SESSION, SESSION_BEGIN, InternalFunction
from signals.functions.sandbox.probe import why_unavailable
from signals.functions.sandbox.process import Columns, FunctionProcess, Limits
from signals.functions.sandbox.results import Fault, Outcome
from signals.functions.sandbox.starter import SandboxUnavailable
from signalsite.foundation.errors import ExternalFunctionExecutionError, LimitExceeded
from signalsite.foundation.once import made_once

WAIT_SECONDS = 1.0  # for a place among the processes of functions
REQUEST_SECONDS = 1.5  # of a call, and of a compilation, within a request that is answered within 5 s
DAY_SECONDS = 86_400.0


class FunctionRefused(ExternalFunctionExecutionError):
    """A source is no function: `faults` say where and why."""

    def __init__(self, error: str, faults: Sequence[Fault]) -> None:
        where = "" if faults[0].line is None else f" (line {faults[0].line})"
        super().__init__(f"{error}: {faults[0].message}{where}")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Timed:
    """Outcomes, and milliseconds: of the process and the compilation, of the first call, of the median call after."""

    outcome: Outcome
    start_ms: float
    first_ms: float
    warm_ms: float | None


@made_once
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(settings.FUNCTIONS_CONCURRENCY)


def unavailable() -> str:
    """Return why users' functions do not run here; empty if they do."""
    if not settings.FUNCTIONS_ENABLED:
        return "FUNCTIONS_ENABLED is off"
    return why_unavailable()


def limits(*, of_request: bool, seconds: float | None = None) -> Limits:
    """`seconds`: of all calls, if less than the site's limit."""
    cpu, wall = settings.FUNCTIONS_CPU_SECONDS, settings.FUNCTIONS_SECONDS
    if of_request:
        cpu, wall = min(cpu, REQUEST_SECONDS), min(wall, REQUEST_SECONDS)
    batch = REQUEST_SECONDS if of_request else settings.FUNCTIONS_BATCH_SECONDS
    if seconds is not None:
        batch = min(batch, round(seconds, 1))
        wall = min(wall, max(seconds, 0.1))
    return Limits(
        cpu_seconds=cpu,
        wall_seconds=wall,
        memory_bytes=settings.FUNCTIONS_MEMORY_MB << 20,
        batch_seconds=batch,
    )


@contextlib.contextmanager
def process_of(source: str, *, of_request: bool, seconds: float | None = None) -> Iterator[FunctionProcess]:
    """Open a user's function. `seconds`: of waiting and of all calls, if less than the site's limits.

    Raises SandboxUnavailable, LimitExceeded where too many run, FunctionRefused.
    """
    if reason := unavailable():
        raise SandboxUnavailable(f"functions of users do not run here: {reason}")
    begun = time.monotonic()
    wait = WAIT_SECONDS if of_request else settings.FUNCTIONS_BATCH_SECONDS
    if not _places().acquire(timeout=wait if seconds is None else min(wait, seconds)):
        raise LimitExceeded(f"{settings.FUNCTIONS_CONCURRENCY} functions run at once; wait for one to end")
    try:
        left = None if seconds is None else max(begun + seconds - time.monotonic(), 0.0)
        with FunctionProcess(source, limits(of_request=of_request, seconds=left)) as process:
            if (refused := process.refused) is not None:
                raise FunctionRefused(refused.error or "", refused.faults)
            yield process
    finally:
        _places().release()


def check_in_sandbox(source: str) -> None:
    """Compile a source. Raises what `process_of` does."""
    with process_of(source, of_request=True):
        pass


def try_out(source: str, data: Columns, params: Mapping[str, Any], repeats: int) -> Timed:
    """Call a source once, and again to time it warm. Raises what `process_of` does."""
    begun = time.perf_counter()
    with process_of(source, of_request=True) as process:
        started = time.perf_counter()
        outcome = process.call(data, params)
        first = time.perf_counter()
        more, before = list[float](), first
        if outcome.error is None and repeats > 1:
            for again in process.call_many([data] * (repeats - 1), params):
                if again.error is not None:
                    break
                more.append(time.perf_counter() - before)
                before = time.perf_counter()
    return Timed(
        outcome,
        1000 * (started - begun),
        1000 * (first - started),
        1000 * float(np.median(more)) if more else None,
    )


def run_internal(function: InternalFunction, data: Columns, params: Mapping[str, Any]) -> Outcome:
    """Call a function of ours on columns that may lack what it needs, or be of unequal lengths."""
    columns = dict(data)
    if SESSION in function.needs and SESSION not in columns and "timestamp" in columns:
        columns[SESSION] = np.floor(columns["timestamp"] / DAY_SECONDS)
    missing = [name for name in function.needs if name not in columns]
    if missing:
        return _failed(f"needs the column {missing[0]!r}")
    columns = {
        name: columns[name]
        for name in {*function.needs, "timestamp", *([SESSION_BEGIN] if SESSION in function.needs else [])}
        if name in columns
    }
    if len({each.size for each in columns.values()}) > 1:
        return _failed("needs columns of equal length")
    with np.errstate(all="ignore"):
        return Outcome(dict(function.compute(columns, params)), several=True)


def _failed(message: str) -> Outcome:
    return Outcome({}, error="BadData", faults=(Fault(message),))
