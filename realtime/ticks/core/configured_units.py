"""The computations of a cycle's configurations: each is run once for all ticks that need it, measured, and may rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.forming_indicators import FormingIndicator
from realtime.ticks.core.plans import PlannedFunction
from realtime.ticks.core.rests import Rests
from realtime.ticks.core.window_bars import FoldedTicks, OnDemand, WindowBars
from signals.functions.core.last_values import LAST_VALUES
from timeframes.core.bars import Floats

TICKS = 100
"""The time of a cycle's computations is for so many ticks; a cycle of more has as much for each."""
Values = Mapping[str, Floats]  # by output, one element a tick
SESSION_COLUMNS = {"session_begin": "session"}
"""The beginning of a session is also what tells it apart."""


@dataclass(slots=True)
class Computed:
    """What a computation gave: `columns` by output, one element for each tick of the cycle, NaN where nothing was
    computed. `reason`: why it did not run. `taken`: seconds."""

    columns: dict[str, Floats] = field(default_factory=dict)
    reason: str | None = None
    taken: float = 0.0


class Units:
    """`timer`: seconds of processor time of this thread: what other processes take of the machine makes no computation
    slow. `clock`: monotonic seconds. `allowed`: seconds that the computations of a cycle of TICKS ticks may take."""

    def __init__(self, timer: Callable[[], float], clock: Callable[[], float], allowed: float) -> None:
        self.timer = timer
        self.clock = clock
        self.allowed = allowed
        self.rests = Rests()
        self.failures: list[tuple[str, Exception]] = []
        self._first = 0  # which computation comes first, in turn: none is always the last

    def run(self, units: Sequence[tuple[str, Callable[[], Values]]], ticks: int) -> dict[str, Computed]:
        """Run computations by name within their time. One that raises, or for which no time is left, has a reason."""
        allowed, begun = self.time_of(ticks), self.timer()
        found: dict[str, Computed] = {}
        self._first = (self._first + 1) % max(len(units), 1)
        for name, unit in (*units[self._first :], *units[: self._first]):
            before = self.timer()
            if (reason := self.rests.reason(name, self.clock())) is not None:
                found[name] = Computed(reason=reason)
            elif before - begun > allowed:
                found[name] = Computed(reason=f"the computations of a cycle took longer than {1000 * allowed:.3g} ms")
            else:
                found[name] = self._measured(name, unit, allowed)
        return found

    def time_of(self, ticks: int) -> float:
        """Return the seconds that the computations of a cycle of so many ticks may take."""
        return self.allowed * max(ticks / TICKS, 1.0)

    def _measured(self, name: str, unit: Callable[[], Values], allowed: float) -> Computed:
        before, made = self.timer(), Computed()
        try:
            made.columns = dict(unit())
        except Exception as error:  # noqa: BLE001 - any fault of a computation costs only its own values
            self.failures.append((f"configured {name}", error))
            made.reason = f"it failed: {type(error).__name__}"
        after = self.timer()
        made.taken = after - before
        now = self.clock()
        if self.rests.measured(name, after - before, allowed, now) and made.reason is None:
            made = Computed(reason=self.rests.reason(name, now))
        return made


def of_indicator(
    indicator: FormingIndicator, series: WindowBars, ticks: FoldedTicks, wanted: NDArray[np.bool_]
) -> Values:
    """Compute an indicator for the `wanted` ones among all ticks of a cycle."""
    found = np.full((len(indicator.names), len(wanted)), np.nan)
    if len((some := _wanted(ticks, wanted)).places):
        found[:, some.places] = np.stack([*indicator.values(series, some).values()])
    return dict(zip(indicator.names, found, strict=True))


def of_function(asked: PlannedFunction, series: WindowBars, ticks: FoldedTicks, wanted: NDArray[np.bool_]) -> Values:
    """Compute an internal function on the last closed bars and the forming one of the `wanted` ticks."""
    found = {name: np.full(len(wanted), np.nan) for name in asked.function.outputs}
    if len((some := _wanted(ticks, wanted)).places):
        with np.errstate(all="ignore"):
            made = _together(asked, series, some) if asked.columnar else _apart(asked, series, some)
        for name, values in made.items():
            found[name][some.places] = np.where(np.isinf(values), np.nan, values)
    return found


def _together(asked: PlannedFunction, series: WindowBars, ticks: FoldedTicks) -> Values:
    columns = OnDemand(lambda name: series.column(SESSION_COLUMNS.get(name, name), ticks, asked.bars + 1))
    return LAST_VALUES[asked.function.name](columns, asked.params)


def _apart(asked: PlannedFunction, series: WindowBars, ticks: FoldedTicks) -> Values:
    """Call a function for each instrument."""
    columns = series.windows(ticks, asked.bars + 1)
    columns |= {name: columns[other] for name, other in SESSION_COLUMNS.items()}
    first = np.isnan(columns["close"]).sum(axis=0).tolist()
    calls = [{name: each[begin:, lane].copy() for name, each in columns.items()} for lane, begin in enumerate(first)]
    made = [asked.function.compute(each, asked.params) for each in calls]
    return {name: np.array([each[name][-1] for each in made]) for name in asked.function.outputs}


def _wanted(ticks: FoldedTicks, wanted: NDArray[np.bool_]) -> FoldedTicks:
    mine = wanted[ticks.places]
    return ticks if mine.all() else ticks.take(np.flatnonzero(mine))
