"""Indicators on forming bars: the closed bars of a lane are computed once a bar, and each tick's bar from there.

By kernels only. They equal `compute_indicators` on the last bars of each tick, to the last digit: a lane's closed bars
are those of the window, always as many. Lanes with fewer bars are computed whole.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.window_bars import NAMES, FoldedTicks, OnDemand, WindowBars
from signals.indicators.core.compute import compute_indicators, kernel_of, names_of, outputs_of, periods
from signals.indicators.core.run import Run, Series
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
        first = np.empty(len(series.loads), np.int64)  # by lane: the place of the bar of its first tick
        while len(rest):  # a round more for each bar that closed among the ticks of one lane
            lanes, at = ticks.lanes[rest], ticks.at[rest]
            first[lanes[::-1]] = at[::-1]
            now = at == first[lanes]
            some, rest = rest[now], rest[~now]
            found[:, some] = self._of(series, ticks.take(some) if len(some) < len(ticks.lanes) else ticks)
        return dict(zip(self.names, found, strict=True))

    def _of(self, series: WindowBars, ticks: FoldedTicks) -> Floats:
        """Return the outputs of ticks whose lanes have had the same closed bars at each of their ticks."""
        full = ~np.isnan(series.bar_times(ticks.lanes, ticks.at - self.bars))
        if full.all():
            return self._continued(series, ticks)
        found = np.full((len(self.names), len(ticks.lanes)), np.nan)
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
            behind = ticks.take(some)
            _, states = self._run(lambda name: series.column(name, behind, self.bars + 1)[:-1], 0, None)
            self._keep(lanes, states)
            self._made_at[lanes], self._loads[lanes] = closed[some], series.loads[lanes]
        mine = [[each[..., ticks.lanes] for each in state] for state in self._states]
        made, _ = self._run(lambda name: ticks.forming[None, :, NAMES.index(name)].copy(), self.bars, mine)
        return np.where(np.isinf(made), np.nan, made)

    def _run(self, column: Callable[[str], Floats], begin: int, states: States | None) -> tuple[Floats, States]:
        """Return the outputs at the last row, and the states after it. `column`: rows x lanes."""

        def series(name: str) -> Series:
            if name in COLUMNS:
                return Series(column(name))
            return periods(days_of(column("session")))[name]

        run = Run(begin, states)
        with np.errstate(all="ignore"):
            made = outputs_of(run, OnDemand(series), self.spec, self._kernel)
            return np.stack([each.values[-1] for each in made]), run.after

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
    return {**{name: rows[name] for name in COLUMNS}, "session": days_of(rows["session"])}


def days_of(session: Floats) -> NDArray[np.int64]:
    return np.nan_to_num(session // DAY_SECONDS).astype(np.int64)
