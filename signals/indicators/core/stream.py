"""Indicators bar by bar, without computing the past again: for bars that close, and for the one that is forming."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.indicators.core.compute import (
    Outputs,
    bar_series,
    compute_indicators,
    kernel_of,
    names_of,
    outputs_of,
    prepared,
)
from signals.indicators.core.run import Run
from signals.indicators.core.spec import Spec
from signals.indicators.core.warm_up import MOST_WARM_UP, warm_up

Rows = Mapping[str, NDArray[Any]]
Library = Callable[[Rows, Sequence[Spec]], list[Outputs]]


class IndicatorStream:
    """The indicators of instruments that have had equally many bars.

    `push` takes bars that have closed, `peek` one that is forming. Both take columns as compute_indicators does (bars x
    instruments) and return the outputs of those bars. By kernels they equal those of compute_indicators on all bars so
    far to the last digit. What the library serves is computed anew of the bars of its warm-up, by `library`.
    """

    def __init__(self, specs: Sequence[Spec]) -> None:
        self.specs, self.bars = tuple(specs), 0
        self._kernels = [kernel_of(spec) for spec in specs]
        self._states: list[list[Any] | None] = [None] * len(specs)
        self._kept: dict[str, NDArray[Any]] = {}
        lengths = [warm_up(spec) for spec, each in zip(specs, self._kernels, strict=True) if each is None]
        self._keeps = max(
            (MOST_WARM_UP if each is None else min(each + 1, MOST_WARM_UP) for each in lengths), default=0
        )

    def push(self, rows: Rows, library: Library = compute_indicators) -> list[Outputs]:
        found, states = self._advance(rows, library)
        self._states = states
        self.bars += len(rows["close"])
        if self._keeps:
            self._kept = {name: column[-self._keeps :] for name, column in self._whole(rows).items()}
        return found

    def peek(self, rows: Rows, library: Library = compute_indicators) -> list[Outputs]:
        return self._advance(rows, library)[0]

    def take(self, lanes: NDArray[np.intp]) -> "IndicatorStream":
        """Return the stream of some of the instruments, in this order."""
        return self._with([self], lambda parts: parts[0][..., lanes])

    def join(self, others: "Sequence[IndicatorStream]") -> "IndicatorStream":
        """Return the stream of these instruments and then those of others, which have had as many bars."""
        if any(each.specs != self.specs or each.bars != self.bars for each in others):
            raise ValueError("streams of other indicators, or of another number of bars, cannot be joined")
        return self._with([self, *others], lambda parts: np.concatenate(parts, axis=-1))

    def _with(
        self, streams: "Sequence[IndicatorStream]", made: Callable[[list[NDArray[Any]]], NDArray[Any]]
    ) -> "IndicatorStream":
        """Return a stream whose every array is made of those of these. Their last axis is the instruments'."""
        found = IndicatorStream(self.specs)
        found.bars = self.bars
        for place, states in enumerate(self._states):
            if states is not None:
                all_states = [each._states[place] or () for each in streams]
                found._states[place] = [
                    [made(list(arrays)) for arrays in zip(*parts, strict=True)]
                    for parts in zip(*all_states, strict=True)
                ]
        found._kept = {name: made([each._kept[name] for each in streams]) for name in self._kept}
        return found

    def _advance(self, rows: Rows, library: Library) -> tuple[list[Outputs], list[list[Any] | None]]:
        states = list(self._states)
        found: list[Outputs] = [{} for _ in self.specs]
        rows = prepared(rows)
        with np.errstate(all="ignore"):
            bars = bar_series(rows)
            for place, (spec, kernel) in enumerate(zip(self.specs, self._kernels, strict=True)):
                if kernel is None:
                    continue
                run = Run(self.bars, self._states[place])
                made = outputs_of(run, bars, spec, kernel)
                states[place] = run.after
                values = [np.where(np.isinf(each.values), np.nan, each.values) for each in made]
                found[place] = dict(zip(names_of(spec), values, strict=True))
        self._by_library(rows, found, library)
        return found, states

    def _by_library(self, rows: Rows, found: list[Outputs], library: Library) -> None:
        places = [place for place, kernel in enumerate(self._kernels) if kernel is None]
        if places:
            done = library(self._whole(rows), [self.specs[place] for place in places])
            for place, made in zip(places, done, strict=True):
                found[place] = {name: values[len(values) - len(rows["close"]) :] for name, values in made.items()}

    def _whole(self, rows: Rows) -> dict[str, NDArray[Any]]:
        if not self._kept:
            return dict(rows)
        return {name: np.concatenate([self._kept[name], column]) for name, column in rows.items()}
