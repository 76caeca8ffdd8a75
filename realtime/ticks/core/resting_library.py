"""The library's indicators for live series: each is measured, and one that takes too long rests on all alike."""

from collections.abc import Callable, Sequence

import numpy as np

from realtime.ticks.core.rests import Rests
from signals.indicators.core.compute import Columns, Outputs, compute_indicators, names_of
from signals.indicators.core.spec import Spec

ALLOWED = 0.05
"""Seconds of processor time of one indicator on one series: with usual lengths they take 1 to 30 ms."""

AFTER_A_SLOW_ONE = "another indicator of the series took too long; it is computed with the next state"


class RestingLibrary:
    """`timer`: seconds of processor time of this thread. `clock`: monotonic seconds. `allowed`: seconds of one.

    `reasons`: why the last call left some out. `slow`: why some have begun to rest; `slow_seconds`: that they took. Who
    reads one of them empties it.
    """

    def __init__(self, timer: Callable[[], float], clock: Callable[[], float], allowed: float = ALLOWED) -> None:
        self.timer, self.clock, self.allowed = timer, clock, allowed
        self.reasons: dict[Spec, str] = {}
        self.slow: dict[Spec, str] = {}
        self.slow_seconds = 0.0
        self._rests = Rests()

    def __call__(self, columns: Columns, specs: Sequence[Spec]) -> list[Outputs]:
        """Return the outputs as `compute_indicators` does, NaN of those that rest, and of all after a slow one: ticks
        wait for no more than one."""
        self.reasons = {}
        before = self.slow_seconds
        return [self._one(columns, spec, late=self.slow_seconds > before) for spec in specs]

    def _one(self, columns: Columns, spec: Spec, *, late: bool) -> Outputs:
        size = max(len(columns["close"]), 1_000).bit_length()  # series of about as many bars take as long
        name = f"{spec} of 2^{size} bars"
        reason = AFTER_A_SLOW_ONE if late else self._rests.reason(name, self.clock())
        if reason is not None:
            self.reasons[spec] = reason
            return {each: np.full(np.shape(columns["close"]), np.nan) for each in names_of(spec)}
        before = self.timer()
        found = compute_indicators(columns, [spec])[0]
        taken, now = self.timer() - before, self.clock()
        if self._rests.measured(name, taken, self.allowed, now):
            self.slow[spec] = self._rests.reason(name, now) or ""
            self.slow_seconds += taken
        return found
