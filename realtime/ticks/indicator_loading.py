"""Loads the histories of live series, and watches whether they change, on a thread of its own: no tick waits for it."""

import logging
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from realtime.consumer_groups import Redis
from realtime.ticks import metrics
from realtime.ticks.core.loaded_series import Asked, Loaded
from realtime.ticks.series_history import close_connection, load
from signals.indicators.core.compute import names_of
from timeframes.bars.changes import Basis, Moment, unchanged

logger = logging.getLogger(__name__)

CHECK_SECONDS = 5.0  # how soon an import counts
Found = tuple[Asked, Loaded | None, Basis | None]


class IndicatorLoading:
    """One round of each kind at a time. `bases`: what the series are made of, by row."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.bases: dict[int, Basis] = {}
        self._thread = ThreadPoolExecutor(1, "indicators")
        self._loading: Future[list[Found]] | None = None
        self._checking: Future[dict[int, Moment | None]] | None = None
        self._checked = -math.inf

    @property
    def busy(self) -> bool:
        return self._loading is not None

    @property
    def waits(self) -> bool:
        return self._loading is not None or self._checking is not None

    def wait(self) -> None:
        """Wait until what is asked is there."""
        for future in (self._loading, self._checking):
            if future is not None:
                future.exception()

    def ask(self, asked: Sequence[Asked]) -> None:
        self._loading = self._thread.submit(self._load, asked)

    def take(self) -> list[tuple[Asked, Loaded | None]]:
        """Return what has been loaded; None for what could not be."""
        if self._loading is None or not self._loading.done():
            return []
        loading, self._loading = self._loading, None
        found = loading.result()
        self.bases |= {asked.row: basis for asked, _, basis in found if basis is not None}
        return [(asked, loaded) for asked, loaded, _ in found]

    def check(self, now: float) -> None:
        """Begin to look whether histories have changed, if it is time. `now`: monotonic."""
        if self._checking is None and now - self._checked >= CHECK_SECONDS and self.bases:
            self._checked = now
            self._checking = self._thread.submit(self._changed, dict(self.bases))

    def take_changed(self) -> list[int]:
        """Return the rows whose histories are no more what they are made of."""
        if self._checking is None or not self._checking.done():
            return []
        checking, self._checking = self._checking, None
        try:
            moments = checking.result()
        except Exception:  # PostgreSQL is away: the next check says what has changed meanwhile
            metrics.errors.labels("indicators").inc()
            logger.exception("whether the histories of indicators have changed cannot be read")
            return []
        for row, moment in moments.items():
            if moment is not None and row in self.bases:
                self.bases[row] = replace(self.bases[row], moment=moment)
        return [row for row, moment in moments.items() if moment is None and self.bases.pop(row, None) is not None]

    def keep(self, rows: Mapping[int, object] | set[int]) -> None:
        """Forget the bases of all other rows."""
        for row in self.bases.keys() - set(rows):
            del self.bases[row]

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _load(self, asked: Sequence[Asked]) -> list[Found]:
        found: list[Found] = []
        try:
            for each in asked:
                try:
                    for spec in each.specs:
                        names_of(spec)  # the library says them by computing, for which no tick is to wait
                    found.append((each, *load(each, self.client)))
                except Exception as error:  # noqa: BLE001 - whatever it is, this series is tried again and others go on
                    metrics.errors.labels("indicators").inc()
                    logger.error("the history of %s cannot be loaded: %r", each.topic, error)
                    found.append((each, None, None))
        finally:
            close_connection()
        return found

    def _changed(self, bases: Mapping[int, Basis]) -> dict[int, Moment | None]:
        try:
            return dict(zip(bases, unchanged(list(bases.values())), strict=True))
        finally:
            close_connection()
