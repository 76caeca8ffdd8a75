"""A live series with its indicators: what is wanted of it, and how far it is."""

from realtime.core.topic_grammar import indicators_topic
from realtime.core.wanted_indicators import SeriesWanted
from realtime.ticks.core.series_book import NEVER
from signals.indicators.core.spec import Spec, parse_spec
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import parse_timeframe

LONGEST_PAUSE = 300.0  # seconds


class LiveSeries:
    """`row`: of the book, which counts; `next`: the one that takes its place once it is loaded.

    `doubted`: wrong from now on. `since`: the first minute that is. `stale`: right, but to be loaded
    again. `loads_at`: not before (monotonic). `failures`: how often its computation has raised lately.
    """

    def __init__(self, wanted: SeriesWanted) -> None:
        self.row: int | None = None
        self.next: int | None = None
        self.date_begin: int | None = None
        self.loads_at = 0.0
        self.failures, self._failed_at = 0, 0.0
        self.doubted = self.stale = False
        self.since = NEVER
        self._set(wanted)

    def _set(self, wanted: SeriesWanted) -> None:
        key = parse_key(wanted.instrument_key)
        self.underlying, self.exchange = key.underlying, key.exchange
        self.timeframe = parse_timeframe(wanted.timeframe)
        self.specs: tuple[Spec, ...] = tuple(parse_spec(text, "indicators") for text in wanted.specs)
        self.wanted = wanted
        self.topic = indicators_topic(wanted.instrument_key, wanted.timeframe)

    def failed(self, now: float, seconds: float) -> float:
        """Note that its computation has raised. Return when to try again. `seconds`: the first pause."""
        pause = min(seconds * 2.0 ** min(self.failures, 20), LONGEST_PAUSE)
        self.failures, self._failed_at = self.failures + 1, now
        return now + pause

    def forgive(self, now: float) -> None:
        if self.failures and now - self._failed_at > 2 * LONGEST_PAUSE:
            self.failures = 0

    def change(self, wanted: SeriesWanted) -> None:
        """Have others of it. What is there goes on until the new ones are loaded. Raises InvalidInput."""
        self._set(wanted)
        self.stale = True
