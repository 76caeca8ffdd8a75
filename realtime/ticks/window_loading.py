"""Loads the bars that windows begin with, on a thread of its own: no tick waits for PostgreSQL.

`collect` notes what is missing before a batch is computed, and `ask` has it read once the batches before are written:
so what is read has every tick that came before those that are folded here. `install` joins it with these.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from realtime.ticks import metrics
from realtime.ticks.core.window_bars import Ints, Lane, WindowBars
from realtime.ticks.window_history import load_windows
from signalsite.foundation.deadlines import within_time
from timeframes.core.bars import FoldedBars

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.25  # between rounds
INSTALL_SECONDS = 0.005  # of a step: ticks wait for it
TOGETHER = 32
SHORTEST, LONGEST = 1.0, 60.0  # seconds until an instrument is loaded once more
TOO_SLOW = "the bars of some instruments"
Found = tuple[WindowBars, Lane, FoldedBars, Ints]


@dataclass(slots=True)
class _Rest:
    until: float
    seconds: float


class WindowLoading:
    """One round at a time. An instrument that is asked for again and again rests, each time for twice as long."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "windows")
        self._asked: list[tuple[WindowBars, list[Lane]]] = []
        self._found: deque[Found] = deque()
        self._round: Future[None] | None = None
        self._next = 0.0
        self._rests: dict[tuple[str, str], _Rest] = {}  # by series and instrument

    def collect(self, some: Iterable[WindowBars], now: float) -> None:
        """Note what is to be loaded, if it is time. `now`: monotonic."""
        self._asked = []
        if now < self._next or self._found or (self._round is not None and not self._round.done()):
            return
        self._rests = {each: rest for each, rest in self._rests.items() if now < rest.until + 2 * rest.seconds}
        for series in some:
            lanes = [each for each in series.unloaded() if self._may(series, each, now)]
            if lanes:
                self._asked.append((series, lanes))

    def _may(self, series: WindowBars, lane: Lane, now: float) -> bool:
        rest = self._rests.get((series.kind.text, lane.key))
        return rest is None or now >= rest.until

    def ask(self, as_of: datetime) -> None:
        """Have what was noted read. All ticks of the batches before must be stored."""
        if not self._asked:
            return
        now = time.monotonic()
        self._next = now + EVERY_SECONDS
        for series, lanes in self._asked:
            for lane in lanes:
                name = series.kind.text, lane.key
                rest = self._rests.get(name)
                seconds = SHORTEST if rest is None else min(2 * rest.seconds, LONGEST)
                self._rests[name] = _Rest(now + seconds, seconds)
        asked, self._asked = self._asked, []
        self._round = self._thread.submit(self._load_all, asked, as_of)

    def install(self) -> None:
        """Join what has been read with what was folded here, for a short time."""
        until = time.monotonic() + INSTALL_SECONDS
        while self._found and time.monotonic() < until:
            series, lane, bars, sessions = self._found.popleft()
            series.load_asked(lane, bars, sessions)

    def forget(self) -> None:
        """Nothing is right that was noted: windows begin anew."""
        self._asked = []
        self._rests = {}

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    # --- on the thread ----------------------------------------------------------------------------------------------

    def _load_all(self, asked: Sequence[tuple[WindowBars, Sequence[Lane]]], as_of: datetime) -> None:
        try:
            for series, lanes in asked:
                for begin in range(0, len(lanes), TOGETHER):
                    self._load(series, lanes[begin : begin + TOGETHER], as_of)
        finally:
            connection.close()  # each thread has its own

    def _load(self, series: WindowBars, lanes: Sequence[Lane], as_of: datetime) -> None:
        """Read the bars of instruments. If they cannot be read together, read each; one at fault rests alone."""
        try:
            with within_time(TOO_SLOW):
                found = load_windows([lane.key for lane in lanes], series.kind, series.window, as_of)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with what is stored of one, others are loaded
            connection.close()
            if len(lanes) > 1:
                for lane in lanes:
                    self._load(series, [lane], as_of)
                return
            metrics.errors.labels("configuration").inc()
            logger.error("the bars of %s cannot be loaded: %r", lanes[0].key, error)
            return
        self._found.extend((series, lane, *found[lane.key]) for lane in lanes if lane.key in found)
