"""Results of a back-test that lack their heavy work: the bars that it needs are copied as they are at its tick.

It is done when the whole batch is computed, or earlier where much waits (`realtime.ticks.backtest_work`), from these
bars: it sees no later tick.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from realtime.ticks.core.plans import Plan
from realtime.ticks.core.window_bars import FoldedTicks, SeriesKind, WindowBars
from signals.configs.core.results import ConfiguredResult
from timeframes.core.bars import Floats

Key = tuple[uuid.UUID, str, datetime | None]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """An instrument's newest bars as they were, by column (`window_bars.NAMES`), the oldest first. Times in seconds."""

    kind: SeriesKind
    columns: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Unfinished:
    """`result`: with what the cycle has computed. `kept`: a row of it is stored. `own`: None where the tick is in no
    bar. `others`: of the instruments that join, those that have bars. `taken`: how long the cycle's computations took
    (`seconds_taken`)."""

    plan: Plan
    result: ConfiguredResult
    kept: bool
    own: Window | None
    others: Mapping[str, Window]
    taken: Mapping[str, float]

    @property
    def bytes(self) -> int:
        """Return how much memory the bars take."""
        windows = [*self.others.values(), *([] if self.own is None else [self.own])]
        return sum(column.nbytes for window in windows for column in window.columns.values())


def unfinished(
    plan: Plan,
    results: Mapping[int, ConfiguredResult],
    kept: Iterable[int],
    folded: Iterable[tuple[WindowBars, FoldedTicks]],
    series: Mapping[SeriesKind, WindowBars],
    taken: Mapping[str, float],
) -> list[Unfinished]:
    """`results`: by place among the ticks of the cycle. `folded`: these ticks in the series of the plan."""
    own: dict[int, Window] = {}
    for bars, ticks in folded:
        mine = ticks.take(np.flatnonzero(np.isin(ticks.places, [*results])))
        own |= zip(mine.places.tolist(), _windows(bars, mine, plan.heavy_bars), strict=True)
    others: dict[str, Window] = {}
    for key, kind in plan.others.items():
        if kind in series and key in series[kind].lanes:
            newest = series[kind].newest(np.zeros(1, np.intp), [key])
            for each in _windows(series[kind], newest, plan.heavy_bars):  # one, or none
                others[key] = each
    kept = {*kept}
    return [Unfinished(plan, each, at in kept, own.get(at), others, taken) for at, each in results.items()]


def _windows(series: WindowBars, ticks: FoldedTicks, bars: int) -> list[Window]:
    columns = series.windows(ticks, bars + 1)
    first = np.isnan(columns["close"]).sum(axis=0).tolist()
    return [
        Window(series.kind, {name: each[begin:, lane].copy() for name, each in columns.items()})
        for lane, begin in enumerate(first)
    ]


def supersede(waiting: dict[Key, Unfinished], more: Sequence[Unfinished]) -> int:
    """Add results to those of a batch. Of an instrument, those whose rows are kept are needed, and the newest.

    Returns by how many bytes the bars that wait have grown.
    """
    grown = 0
    for each in more:
        configuration, key = each.plan.id, each.result.instrument_key
        for name in (
            (configuration, key, None),
            added := (configuration, key, each.result.time if each.kept else None),
        ):
            if (old := waiting.pop(name, None)) is not None:
                grown -= old.bytes
        waiting[added] = each
        grown += each.bytes
    return grown
