"""Counts what nobody repairs in the bars of a file, but a reader of it should know; piece by piece."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from timeframes.core.bar_dates import FLAT_RUN, date_of, flat_ends, grid_of
from timeframes.core.bars import BarColumns
from timeframes.core.grid import SECOND, Anchor, Grid, default_anchor
from timeframes.core.keys import InstrumentKey
from timeframes.core.timeframe import DAY

FILLS = "bars without volume that repeat the price before them"
OUTSIDE = "bars outside the hours of their session: kept, and in no bar anchored at sessions"
TAILS = f"bars at the end of a date that repeat one price, {FLAT_RUN} or more in a row"
MISSING = "bars missing on dates that have some"


class Looks:
    """What is noticed in the pieces of a file, whose bars are about in the order of time.

    Of each instrument the last date of a piece waits for the next piece, so memory holds one date of each. Where a
    piece goes back to a date that is counted, its missing bars are counted again.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.facts: Counter[str] = Counter()
        self._ids: dict[InstrumentKey, int] = {}
        self._close = np.empty(0)  # the last of each instrument
        nothing = np.empty(0, dtype=np.int64)
        self._waiting = nothing, nothing, np.empty(0, dtype=bool)

    def see(self, contracts: Sequence[InstrumentKey], place: NDArray[np.int64], bars: BarColumns) -> None:
        if self.seconds >= DAY or not len(bars):
            return
        numbers = [self._ids.setdefault(contract, len(self._ids)) for contract in contracts]
        self._close = np.append(self._close, np.full(len(self._ids) - len(self._close), np.nan))
        ids = np.array(numbers, dtype=np.int64)[place]
        order = np.lexsort((bars.time, ids))
        ids, bars = ids[order], bars.take(order)
        unmoved = self._unmoved(ids, bars)
        self.facts[FILLS] += int((unmoved & (bars.volume == 0)).sum())
        self._dates(ids, bars.time, unmoved, last=False)

    def finish(self) -> Counter[str]:
        """Look at what waits, and return the counts."""
        nothing = np.empty(0, dtype=np.int64)
        if len(self._waiting[0]):
            self._dates(nothing, nothing, np.empty(0, dtype=bool), last=True)
        return +self.facts

    def _unmoved(self, ids: NDArray[np.int64], bars: BarColumns) -> NDArray[np.bool_]:
        """Return which bars have one price, and it is the close before them."""
        starts = np.flatnonzero(np.diff(ids, prepend=-1))
        before = np.append([np.nan], bars.close[:-1])
        before[starts] = self._close[ids[starts]]
        self._close[ids[starts]] = bars.close[np.append(starts[1:], len(ids)) - 1]
        unmoved: NDArray[np.bool_] = (bars.high == bars.low) & (bars.open == bars.close) & (bars.close == before)
        return unmoved

    def _dates(
        self, ids: NDArray[np.int64], time: NDArray[np.int64], unmoved: NDArray[np.bool_], *, last: bool
    ) -> None:
        ids, time, unmoved = (
            np.concatenate([waiting, new]) for waiting, new in zip(self._waiting, (ids, time, unmoved), strict=True)
        )
        order = np.lexsort((time, ids))
        ids, time, unmoved = ids[order], time[order], unmoved[order]
        waiting = np.zeros(len(ids), dtype=bool)
        for exchange, chosen in self._by_exchange(ids):
            grid = grid_of(exchange, self.seconds, time[chosen])
            held = self._of_exchange(exchange, grid, ids[chosen], time[chosen], unmoved[chosen], last=last)
            waiting[chosen] = held
        self._waiting = ids[waiting], time[waiting], unmoved[waiting]

    def _by_exchange(self, ids: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.intp]]]:
        names = np.array([contract.exchange for contract in self._ids])
        found, codes = np.unique(names, return_inverse=True)
        for place, name in enumerate(found.tolist()):
            if len(chosen := np.flatnonzero(codes[ids] == place)):
                yield name, chosen

    def _of_exchange(
        self,
        exchange: str,
        grid: Grid,
        ids: NDArray[np.int64],
        time: NDArray[np.int64],
        unmoved: NDArray[np.bool_],
        *,
        last: bool,
    ) -> NDArray[np.bool_]:
        """Count whole dates, and return which bars are of a date that may go on."""
        dates = date_of(grid, time)
        starts = np.flatnonzero(np.append([True], (np.diff(ids) != 0) | (np.diff(dates) != 0)))
        ends = np.append(starts[1:], len(ids))
        held = np.append(ids[starts[1:]] != ids[starts[:-1]], [True]) & (not last)
        counted = np.repeat(~held, ends - starts)
        place = grid.place(time)
        if default_anchor(exchange) is Anchor.SESSION:
            self.facts[OUTSIDE] += int((counted & (place < 0)).sum())
        run = flat_ends(unmoved, starts)
        self.facts[TAILS] += int(run[~held & (run >= FLAT_RUN)].sum())
        inside = np.add.reduceat(place >= 0, starts, dtype=np.int64)
        expected = -(-(grid.ends - grid.begins) // (self.seconds * SECOND))[dates[starts]]
        self.facts[MISSING] += int((expected - inside)[~held & (inside > 0)].sum())
        return ~counted
