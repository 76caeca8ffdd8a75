"""The indicators of live series: computed on their histories, on bars that close, and on those that are forming.

A series has a row of the `SeriesBook` that counts, and while it is loaded (again) a next one, which gathers the minutes
that close meanwhile.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.core.bar_places import place_bar
from realtime.ticks.core.indicator_groups import IndicatorGroups, bar_columns, most_together
from realtime.ticks.core.indicator_outbox import IndicatorOutbox
from realtime.ticks.core.live_series import LiveSeries
from realtime.ticks.core.loaded_series import Loaded
from realtime.ticks.core.resting_library import RestingLibrary
from realtime.ticks.core.series_book import NEVER, PRICES, SeriesBook
from signals.indicators.core.compute import Outputs
from signals.indicators.core.sessions import session_days
from timeframes.core.grid import default_anchor
from timeframes.core.minutes import NOWHERE

MOST_CAUGHT_UP = 100
"""Complete states that are published after a pause; earlier ones are in `historical/indicators`."""


class IndicatorBook:
    """`library`: computes what has no kernel. `values`: how many were computed."""

    def __init__(self, outbox: IndicatorOutbox, library: RestingLibrary) -> None:
        self.outbox, self.library = outbox, library
        self.series = SeriesBook()
        self.values = 0
        self._groups = IndicatorGroups(library)
        self._by_row: dict[int, LiveSeries] = {}
        self._texts: dict[int, tuple[str, ...]] = {}  # by row: of its indicators
        self._working: list[int] = []  # rows of the last piece
        self._due: dict[int, None] = {}  # rows with a change to compute, oldest first

    # --- rows -------------------------------------------------------------------------------------------------------

    def is_sure(self, each: LiveSeries) -> bool:
        return each.row is not None and not each.doubted and not self.series.doubted[each.row]

    def begin_row(self, each: LiveSeries, upto: int) -> int:
        """Have a next row of a series gather its minutes from `upto` on. One that is doubted counts no more."""
        self.let_go(each.next)
        if each.row is not None and not self.is_sure(each):
            each.since = min(each.since, int(self.series.since[each.row]))
            self.let_go(each.row)
            each.row = None
        each.doubted = each.stale = False
        each.next = row = self.series.add(each.wanted.instrument_key, each.exchange, each.timeframe, upto)
        self._by_row[row], self._texts[row] = each, each.wanted.specs
        return row

    def loading(self, row: int) -> LiveSeries | None:
        """Return the series whose next row this is, if it still is."""
        each = self._by_row.get(row)
        return each if each is not None and each.next == row else None

    def abandon(self, each: LiveSeries) -> None:
        """Let the next row go: it is to be loaded anew."""
        if each.next is not None:
            each.since = min(each.since, int(self.series.since[each.next]))
        self.let_go(each.next)
        each.next, each.stale = None, each.row is not None

    def remove(self, each: LiveSeries) -> None:
        self.let_go(each.row)
        self.let_go(each.next)
        each.row = each.next = None
        each.doubted = each.stale = False

    def is_apart(self, row: int) -> bool:
        """Return whether the computation of a series has raised: it runs alone, so that it costs no other."""
        each = self._by_row.get(row)
        return each is not None and each.failures > 0

    def remove_working(self) -> list[LiveSeries]:
        """Remove the series of the last piece, which has raised, and return them."""
        found = [self._by_row[row] for row in self._working if row in self._by_row]
        for each in found:
            self.remove(each)
        return found

    def let_go(self, row: int | None) -> None:
        if row is None:
            return
        self._groups.remove(row)
        self.series.remove(row)
        for held in (self._by_row, self._texts, self._due):
            held.pop(row, None)

    # --- computing --------------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        return bool(self._due)

    def note_changes(self) -> None:
        """Have computed what has changed since the last call."""
        for row in self.series.take_touched().tolist():
            self._due.setdefault(row)
        for row, bars in self.series.closed.items():
            if bars:
                self._due.setdefault(row)

    def begin(self, loaded: Sequence[Loaded]) -> None:
        """Compute loaded series of one kind on their histories. From now on these rows count."""
        self._working = [each.asked.row for each in loaded]
        here = []
        for each in loaded:
            series = self.loading(each.asked.row)
            if series is None:
                continue
            if series.doubted or self.series.doubted[each.asked.row]:
                self.abandon(series)
            else:
                here.append(each)
        if not here:
            return
        rows = [each.asked.row for each in here]
        times = np.stack([each.bars.time for each in here], axis=1)
        prices = np.stack([[getattr(each.bars, name) for name in PRICES] for each in here], axis=2)
        outputs = self._groups.begin(rows, here[0].asked.specs, self._columns(rows, times, prices))
        firsts = [self._take_over(each) for each in here]
        self._tell(rows, times, outputs, complete=True, firsts=firsts)

    def _take_over(self, loaded: Loaded) -> int:
        """Have a row count. Return from which bar of its run on complete states are published."""
        row, bars = loaded.asked.row, loaded.bars
        series = self._by_row[row]
        self.let_go(series.row)
        series.row, series.next = row, None
        series.date_begin = loaded.date_begin
        self.series.settle(row, loaded.time, loaded.prices)
        self._due.setdefault(row)
        since, series.since = series.since, NEVER
        return _first_told(bars.time, loaded.published, since)

    def compute(self) -> None:
        """Compute some of the series that are due, those that fit together with the one that has waited longest."""
        rows = [row for row in self._due if row in self._groups]
        if not rows:  # the others are being loaded, and are due once they are
            self._due = {}
            return
        count = len(self.series.closed[rows[0]])
        some = [row for row in self._groups.like(rows[0], rows) if len(self.series.closed[row]) == count]
        alone = self.is_apart(rows[0])
        some = [rows[0]] if alone else [row for row in some if not self.is_apart(row)]
        some = self._working = some[: most_together(self._groups.specs(rows[0]))]
        for row in some:
            del self._due[row]
        if count:
            self._push(some)
        self._peek(some)

    def _push(self, rows: list[int]) -> None:
        taken = [self.series.take_closed(row) for row in rows]
        times = np.array([[bar.time for bar in bars] for bars in taken], np.int64).T
        prices = np.array([[bar.prices for bar in bars] for bars in taken]).transpose(2, 1, 0)
        outputs = self._groups.push(rows, self._columns(rows, times, prices))
        self._tell(rows, times, outputs, complete=True)

    def _peek(self, rows: list[int]) -> None:
        begins, prices = self.series.forming(np.array(rows, np.intp))
        here = np.flatnonzero(begins != NOWHERE)
        if not len(here):
            return
        some = [rows[place] for place in here.tolist()]
        times, columns = begins[here][None, :], np.ascontiguousarray(prices[:, here])[:, None, :]
        self._tell(some, times, self._groups.peek(some, self._columns(some, times, columns)), complete=False)
        for row, begin in zip(some, times[0].tolist(), strict=True):
            series = self._by_row[row]
            place = place_bar(series.exchange, series.timeframe, begin)
            if place is not None and place.date_begin != series.date_begin:
                series.stale = True  # a new date begins a new run

    def _columns(
        self, rows: Sequence[int], times: NDArray[np.int64], prices: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """`times`: bars x series; `prices`: PRICES x bars x series."""
        session = np.empty_like(times)
        exchanges = [self._by_row[row].exchange for row in rows]
        for exchange in set(exchanges):
            lanes = [lane for lane, each in enumerate(exchanges) if each == exchange]
            here = times[:, lanes]
            session[:, lanes] = session_days(here.ravel(), exchange, default_anchor(exchange)).reshape(here.shape)
        return bar_columns(times, session, prices)

    def _tell(
        self,
        rows: Sequence[int],
        times: NDArray[np.int64],
        outputs: list[Outputs],
        *,
        complete: bool,
        firsts: Sequence[int] | None = None,
    ) -> None:
        """Have bars published: of each series those from its first on."""
        firsts = [0] * len(rows) if firsts is None else firsts
        skipped = min(firsts)
        rested, self.library.reasons = self.library.reasons, {}
        columns = [{name: column[skipped:].tolist() for name, column in each.items()} for each in outputs]
        for lane, (row, first) in enumerate(zip(rows, firsts, strict=True)):
            series, texts = self._by_row[row], self._texts[row]
            specs = self._groups.specs(row) if rested else ()
            reasons = {text: rested[spec] for text, spec in zip(texts, specs, strict=False) if spec in rested}
            for place, begin in enumerate(times[first:, lane].tolist(), first - skipped):
                values = {
                    text: {name: column[place][lane] for name, column in each.items()}
                    for text, each in zip(texts, columns, strict=True)
                }
                self.outbox.add(series, begin, values, reasons, complete=complete)
        self.values += sum(map(len, columns)) * sum(len(times) - first for first in firsts)


def _first_told(times: NDArray[np.int64], published: int | None, since: int) -> int:
    """Return from which bar on complete states are published: the newest one, those that others have missed, and those
    that a late tick has changed."""
    first = len(times) - 1
    if published is not None:
        first = min(first, int(np.searchsorted(times, published, "right")))
    first = min(first, int(np.searchsorted(times, since, "right")) - 1)
    return max(first, len(times) - MOST_CAUGHT_UP, 0)
