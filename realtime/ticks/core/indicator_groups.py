"""The states of live series' indicators, in groups of equal indicators and equal number of bars.

A kernel runs over all series of a group at once. A series whose bar closes while others' go on leaves its group, and
joins the one of those that have had as many bars.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.ticks.core.series_book import PRICES
from signals.indicators.core.compute import Outputs, kernel_of
from signals.indicators.core.spec import Spec
from signals.indicators.core.stream import IndicatorStream, Library

Specs = tuple[Spec, ...]
MOST_TOGETHER = 256  # series whose kernels run at once: some milliseconds
Bars = Mapping[str, NDArray[Any]]


class Group:
    """`rows`: the series, in the order of the stream's instruments."""

    __slots__ = ("rows", "stream")

    def __init__(self, stream: IndicatorStream, rows: list[int]) -> None:
        self.stream, self.rows = stream, rows


def most_together(specs: Specs) -> int:
    """Return how many series may be computed at once: one where the library computes, which takes long for each."""
    return MOST_TOGETHER if all(kernel_of(spec) is not None for spec in specs) else 1


def bar_columns(
    time: NDArray[np.int64], session: NDArray[np.int64], prices: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Return bars as streams take them. `time`, `session`: bars x series; `prices`: PRICES x bars x series."""
    return {**dict(zip(PRICES, prices, strict=True)), "time": time, "session": session}


class IndicatorGroups:
    """`library`: computes what has no kernel."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._groups: dict[tuple[Specs, int], Group] = {}
        self._of: dict[int, Group] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._of

    def begin(self, rows: Sequence[int], specs: Specs, bars: Bars) -> list[Outputs]:
        """Add series with the bars of their history, equally many. Return the outputs on those."""
        stream = IndicatorStream(specs)
        found = stream.push(bars, self._library)
        self._add(stream, list(rows))
        return found

    def remove(self, row: int) -> None:
        group = self._of.pop(row, None)
        if group is None:
            return
        lane = group.rows.index(row)
        group.rows.pop(lane)
        if group.rows:
            group.stream = group.stream.take(np.delete(np.arange(len(group.rows) + 1), lane))
        else:
            del self._groups[group.stream.specs, group.stream.bars]

    def like(self, row: int, rows: Sequence[int]) -> list[int]:
        """Return which of these series are in one group with a series, so that they may be computed together."""
        group = self._of[row]
        return [each for each in rows if self._of[each] is group]

    def specs(self, row: int) -> Specs:
        return self._of[row].stream.specs

    def peek(self, rows: Sequence[int], bars: Bars) -> list[Outputs]:
        """Return the outputs on bars that are forming, of a part."""
        return self._stream_of(rows).peek(bars, self._library)

    def push(self, rows: Sequence[int], bars: Bars) -> list[Outputs]:
        """Take bars that have closed, of a part, and return the outputs on them."""
        stream = self._stream_of(rows)
        group = self._of[rows[0]]
        if stream is not group.stream:
            others = [row for row in group.rows if row not in set(rows)]
            if others:
                lanes = self._lanes(group, others)
                group.stream, group.rows = group.stream.take(lanes), others
            else:
                del self._groups[group.stream.specs, group.stream.bars]
        else:
            del self._groups[group.stream.specs, group.stream.bars]
        for row in rows:
            del self._of[row]  # where the kernels raise, these are gone and the others are whole
        found = stream.push(bars, self._library)
        self._add(stream, list(rows))
        return found

    def _stream_of(self, rows: Sequence[int]) -> IndicatorStream:
        group = self._of[rows[0]]
        return group.stream if list(rows) == group.rows else group.stream.take(self._lanes(group, rows))

    @staticmethod
    def _lanes(group: Group, rows: Sequence[int]) -> NDArray[np.intp]:
        places = {row: lane for lane, row in enumerate(group.rows)}
        return np.array([places[row] for row in rows], np.intp)

    def _add(self, stream: IndicatorStream, rows: list[int]) -> None:
        key = (stream.specs, stream.bars)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(stream, rows)
        else:
            group.stream, group.rows = group.stream.join([stream]), group.rows + rows
        for row in rows:
            self._of[row] = group
