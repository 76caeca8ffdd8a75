"""Indicators on forming bars: the closed bars of a lane are computed once a bar, and each tick's bar from there.

By kernels only. They equal `compute_indicators` on the last bars of each tick, to the last digit: a lane's closed bars
are those of the window, always as many. Lanes with fewer bars are computed whole.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.window_bars import FoldedTicks, WindowBars
from signals.indicators.core.compute import bar_series, compute_indicators, kernel_of, names_of, outputs_of, prepared
from signals.indicators.core.run import Run
from signals.indicators.core.spec import COLUMNS, Spec
from timeframes.core.bars import Floats

DAY_SECONDS = 86_400.0
States = list[list[NDArray[Any]]]  # of one indicator; the last axis of each array is the lanes'


class FormingIndicator:
    """One indicator on the lanes of one series. `bars`: closed bars that decide a value."""

    def __init__(self, spec: Spec, bars: int) -> None:
        kernel = kernel_of(spec)
        if kernel is None:
            raise ValueError(f"{spec} has no kernel")
        self.spec, self.bars = spec, bars
        self.names = names_of(spec)
        self._kernel = kernel
        self._states: States = []
        self._made_at = np.empty(0)  # by lane: the newest closed bar that its state has
        self._loads = np.empty(0, np.int64)

    def forget(self) -> None:
        self._states, self._made_at, self._loads = [], np.empty(0), np.empty(0, np.int64)

    def values(self, series: WindowBars, ticks: FoldedTicks) -> dict[str, Floats]:
        """Return each output for each tick, NaN where there is none."""
        found = np.full((len(self.names), len(ticks.lanes)), np.nan)
        rest = np.arange(len(ticks.lanes))
        while len(rest):  # a round more for each bar that closed among the ticks of one lane
            order = np.lexsort((ticks.at[rest], ticks.lanes[rest]))
            lanes, at = ticks.lanes[rest][order], ticks.at[rest][order]
            starts = np.flatnonzero(np.diff(lanes, prepend=-1))
            first = np.repeat(at[starts], np.diff(np.append(starts, len(lanes))))
            some, rest = rest[order[at == first]], rest[order[at != first]]
            found[:, some] = self._of(series, ticks.take(some))
        return dict(zip(self.names, found, strict=True))

    def _of(self, series: WindowBars, ticks: FoldedTicks) -> Floats:
        """Return the outputs of ticks whose lanes have had the same closed bars at each of their ticks."""
        found = np.full((len(self.names), len(ticks.lanes)), np.nan)
        full = ~np.isnan(series.bar_times(ticks.lanes, ticks.at - self.bars))
        whole, few = np.flatnonzero(full), np.flatnonzero(~full)
        if len(whole):
            found[:, whole] = self._continued(series, ticks.take(whole))
        if len(few):
            found[:, few] = self._anew(series, ticks.take(few))
        return found

    def _continued(self, series: WindowBars, ticks: FoldedTicks) -> Floats:
        self._make_room(series)
        closed = series.bar_times(ticks.lanes, ticks.at - 1)
        stale = (self._made_at[ticks.lanes] != closed) | (self._loads[ticks.lanes] != series.loads[ticks.lanes])
        if stale.any():
            lanes, place = np.unique(ticks.lanes[stale], return_index=True)
            some = np.flatnonzero(stale)[place]
            rows = {name: column[:-1] for name, column in series.windows(ticks.take(some), self.bars + 1).items()}
            _, states = self._run(rows, 0, None)
            self._keep(lanes, states)
            self._made_at[lanes], self._loads[lanes] = closed[some], series.loads[lanes]
        mine = [[each[..., ticks.lanes] for each in state] for state in self._states]
        forming = {name: column[None, :] for name, column in series.named(ticks.forming).items()}
        return np.stack([column[-1] for column in self._run(forming, self.bars, mine)[0]])

    def _run(self, rows: Mapping[str, Floats], begin: int, states: States | None) -> tuple[list[Floats], States]:
        run = Run(begin, states)
        with np.errstate(all="ignore"):
            series = bar_series(prepared(columns_of(rows)))
            made = [each.values for each in outputs_of(run, series, self.spec, self._kernel)]
        return [np.where(np.isinf(each), np.nan, each) for each in made], run.after

    def _anew(self, series: WindowBars, ticks: FoldedTicks) -> Floats:
        """Compute lanes with fewer bars: those with as many together."""
        rows = columns_of(series.windows(ticks, self.bars + 1))
        missing = np.isnan(rows["close"]).sum(axis=0)
        found = np.full((len(self.names), len(ticks.lanes)), np.nan)
        for count in np.unique(missing).tolist():
            if count == len(rows["close"]):
                continue
            here = np.flatnonzero(missing == count)
            made = compute_indicators({name: column[count:, here] for name, column in rows.items()}, [self.spec])[0]
            found[:, here] = np.stack([made[name][-1] for name in self.names])
        return found

    def _make_room(self, series: WindowBars) -> None:
        more = len(series.loads) - len(self._made_at)
        if more > 0:
            self._made_at = np.concatenate([self._made_at, np.full(more, np.nan)])
            self._loads = np.concatenate([self._loads, np.full(more, -1, np.int64)])

    def _keep(self, lanes: NDArray[np.intp], states: States) -> None:
        size = len(self._made_at)
        if not self._states:
            self._states = [[np.zeros((*each.shape[:-1], size), each.dtype) for each in state] for state in states]
        for mine, made in zip(self._states, states, strict=True):
            for place, (old, new) in enumerate(zip(mine, made, strict=True)):
                if old.shape[-1] < size:
                    more = np.zeros((*old.shape[:-1], size - old.shape[-1]), old.dtype)
                    mine[place] = old = np.concatenate([old, more], axis=-1)
                old[..., lanes] = new


def columns_of(rows: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """Return the columns that indicators see, with days that tell sessions apart."""
    days = np.nan_to_num(rows["session"] // DAY_SECONDS).astype(np.int64)
    return {**{name: rows[name] for name in COLUMNS}, "session": days}
