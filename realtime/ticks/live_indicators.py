"""Indicators on live bars: fed with the minutes of `LiveBars`, computed in short pieces between the micro-batches.

A series is an instrument's bars of a timeframe. Its history is loaded on a thread of its own; the minutes that close
meanwhile wait in the book. Whatever becomes doubtful (a late tick in a minute that was closed, an import, a cut
connection) is loaded again. With each new date the run begins anew from the history before that date, as a restart
would begin it: so values do not depend on when a consumer began.

One thread calls everything but `minutes_closed` and `doubt_all`, which the thread that writes calls. `feed` may run
only while nothing is being written.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence

from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.core.wanted_indicators import SeriesWanted
from realtime.ticks import metrics
from realtime.ticks.core.indicator_book import IndicatorBook
from realtime.ticks.core.indicator_groups import most_together
from realtime.ticks.core.indicator_outbox import IndicatorOutbox
from realtime.ticks.core.live_series import LiveSeries
from realtime.ticks.core.loaded_series import Asked, Loaded
from realtime.ticks.core.resting_library import ALLOWED, RestingLibrary
from realtime.ticks.indicator_loading import IndicatorLoading
from signalsite.foundation.errors import InvalidInput
from timeframes.core.bars import BarColumns
from timeframes.core.grid import SECOND
from timeframes.core.minutes import MINUTE

logger = logging.getLogger(__name__)

GRACE = 1 * SECOND  # as bars: ticks on their way still count
PIECE_SECONDS = 0.015  # ticks wait so long for indicators at once
SHARE = 0.1  # of the consumer's time
LOADED_AT_ONCE = 16
RETRY_SECONDS = 2.0
NotClosed = Callable[[str], tuple[int, BarColumns | None] | None]
"""The beginning of an instrument's first minute that is not closed, and that minute if it has ticks; None: it is not
known."""


class LiveIndicators:
    """`client`: of the loading thread. `not_closed`: asks `LiveBars`. `own_time`: of a back-test, whose clock are its
    ticks. `on`: whether anything is computed."""

    def __init__(
        self,
        client: Redis,
        names: Names,
        not_closed: NotClosed,
        *,
        own_time: bool = False,
        on: bool = True,
    ) -> None:
        self.names, self.not_closed, self.own_time, self.on = names, not_closed, own_time, on
        self.series: dict[tuple[str, str], LiveSeries] = {}
        self.outbox = IndicatorOutbox()
        allowed = math.inf if own_time else ALLOWED  # a back-test gives the same each time
        self.library = RestingLibrary(time.thread_time, time.monotonic, allowed)
        self.book = IndicatorBook(self.outbox, self.library)
        self.loading = IndicatorLoading(client)
        self._minutes: list[tuple[Sequence[str], BarColumns]] = []  # closed, from the thread that writes
        self._loaded: list[Loaded] = []
        self._doubts_all = False
        self._rest_until = -math.inf

    # --- what is wanted ---------------------------------------------------------------------------------------------

    def want(self, wanted: Iterable[SeriesWanted]) -> None:
        """Compute these and no others from now on. What changes goes on as it was until the new is loaded."""
        asked = {(each.instrument_key, each.timeframe): each for each in wanted} if self.on else {}
        for name in self.series.keys() - asked.keys():
            self.book.remove(self.series.pop(name))
        for name, each in asked.items():
            held = self.series.get(name)
            try:
                if held is None:
                    self.series[name] = LiveSeries(each)
                elif held.wanted != each:
                    held.change(each)
            except InvalidInput as error:  # stored by another version: it costs the other series nothing
                metrics.errors.labels("indicators").inc()
                logger.error("indicators of %s on %s bars cannot be computed: %s", *name, error)
        metrics.indicator_series.set(len(self.series))

    def drop(self, underlying: str) -> None:
        """Another consumer computes those of this underlying from now on."""
        self.want(each.wanted for each in self.series.values() if each.underlying != underlying)
        self.outbox.forget(underlying)

    def forget(self) -> None:
        """Drop what is held of the series: it may not agree with the tables. They are loaded again."""
        self._minutes = []
        self.outbox.clear()
        for each in self.series.values():
            self.book.remove(each)

    def doubt_all(self) -> None:
        """Load everything again with the next `feed`: what is stored is not known. The writing thread calls this."""
        self._doubts_all = True

    # --- minutes ----------------------------------------------------------------------------------------------------

    def minutes_closed(self, keys: Sequence[str], bars: BarColumns) -> None:
        """Take minutes that are stored now. The thread that writes calls this."""
        self._minutes.append((keys, bars))

    def feed(self, keys: Sequence[str], opened: BarColumns, until: int) -> None:
        """Take the minutes that have closed, the open ones that have changed, and the moment up to which ticks are
        read. Begin to load what is missing. Nothing may be being written."""
        minutes, self._minutes = self._minutes, []
        if self._doubts_all:
            self._doubts_all = False
            for series in self.series.values():
                series.doubted = True
        if not self.series:
            return
        for each, bars in minutes:
            self.book.series.close_minutes(each, bars)
        self.book.series.open_minutes(keys, opened)
        self.book.series.close_ended(until - GRACE)
        self.book.note_changes()
        if not self.loading.busy and not self._loaded:
            self._load(until)

    def _load(self, until: int) -> None:
        """Begin to load some of the series: first those without values."""
        now = time.monotonic()
        self.loading.keep({each.row for each in self.series.values() if each.row is not None})
        if not self.own_time:
            self.loading.check(now)
        for each in self.series.values():
            each.forgive(now)
        loadable = [each for each in self.series.values() if each.loads_at <= now]
        missing = [each for each in loadable if not self.book.is_sure(each)]
        stale = [each for each in loadable if each.stale and self.book.is_sure(each)]
        asked = []
        for each in (*missing, *stale):
            if (made := self._asked(each, until)) is not None:
                asked.append(made)
                if len(asked) == LOADED_AT_ONCE:
                    break
        if asked:
            self.loading.ask(asked)

    def _asked(self, each: LiveSeries, until: int) -> Asked | None:
        key = each.wanted.instrument_key
        at = self.not_closed(key)
        if at is None:
            if self.own_time or until <= 0:
                return None  # its first tick, or the first read, says what time it is
            at = until - until % (MINUTE * SECOND), None
        upto, opened = at
        row = self.book.begin_row(each, upto)
        if opened is not None:
            self.book.series.open_minutes([key], opened)
        return Asked(
            row=row,
            key=key,
            exchange=each.exchange,
            timeframe=each.timeframe,
            specs=each.specs,
            texts=each.wanted.specs,
            upto=upto,
            opened=opened is not None,
            latest=self.names.latest_indicators(each.underlying),
            topic=each.topic,
        )

    # --- computing --------------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        return bool(self._loaded) or self.book.due or self.loading.waits

    def run(self, now: float) -> None:
        """Compute what is due for PIECE_SECONDS, or a single piece, unless it is time to rest. `now`: monotonic."""
        if now < self._rest_until or not self.waits:
            return
        begun = time.monotonic()
        self._take_loaded()
        while (self._loaded or self.book.due) and time.monotonic() - begun < PIECE_SECONDS:
            try:
                if self._loaded:
                    self._begin()
                else:
                    self.book.compute()
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs the others nothing
                self._put_aside(error)
        taken = time.monotonic() - begun
        metrics.indicator_seconds.observe(taken, 1)
        metrics.indicator_values.inc(self.book.values)
        self.book.values = 0
        self._report_slow()
        slow, self.library.slow_seconds = self.library.slow_seconds, 0.0  # for which they rest themselves, and no other
        self._rest_until = now + max(taken - slow, 0.0) * (1.0 / SHARE - 1.0)

    def _report_slow(self) -> None:
        slow, self.library.slow = self.library.slow, {}
        for spec, reason in slow.items():
            metrics.indicator_rests.labels(spec.name).inc()
            logger.warning("the live indicator %s %s", spec, reason)

    def _put_aside(self, error: Exception) -> None:
        """Remove the series whose piece has raised. They are loaded later, each time twice as late, and stay alone."""
        metrics.errors.labels("indicators").inc()
        now = time.monotonic()
        series = self.book.remove_working()
        for each in series:
            each.loads_at = each.failed(now, RETRY_SECONDS)
        some = ", ".join(each.topic for each in series[:5])
        logger.error("indicators of %d series (%s) cannot be computed", len(series), some, exc_info=error)

    def settle(self) -> None:
        """Compute what `feed` has brought: all of it in a back-test, whose ticks do not wait for the clock."""
        if self.own_time:
            self.run_all()
        else:
            self.run(time.monotonic())

    def run_all(self) -> None:
        """Compute all that is due, and wait for what is being loaded: for back-tests, and at the end."""
        while self.waits:
            if not self._loaded and not self.book.due:
                self.loading.wait()
            self._rest_until = -math.inf
            self.run(time.monotonic())

    def _take_loaded(self) -> None:
        for row in self.loading.take_changed():
            for each in self.series.values():
                each.stale |= each.row == row
        for asked, loaded in self.loading.take():
            series = self.book.loading(asked.row)
            if loaded is not None:
                self._loaded.append(loaded)
            elif series is not None:
                self.book.abandon(series)
                series.loads_at = time.monotonic() + RETRY_SECONDS

    def _begin(self) -> None:
        kind = self._loaded[0].kind
        first = self._loaded[0]
        alike = [each for each in self._loaded if each.kind == kind and not self.book.is_apart(each.asked.row)]
        alike = [first] if self.book.is_apart(first.asked.row) else alike[: most_together(kind[0])]
        self._loaded = [each for each in self._loaded if all(each is not one for one in alike)]
        self.book.begin(alike)

    def close(self) -> None:
        self.loading.close()
