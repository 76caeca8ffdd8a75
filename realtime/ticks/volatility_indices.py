"""Follow volatility indices whose streams another consumer owns: every chain needs the prices of its index."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from realtime.consumer_groups import Redis, StreamEntry, tail
from realtime.core.paused_streams import PausedStreams
from realtime.ticks import metrics
from realtime.ticks.core.book import Book
from realtime.ticks.guard import succeeds
from timeframes.core.tick_stream import tick_stream, underlying_of

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0  # read again from before the start, so that no entry is missed


class VolatilityIndices:
    """`restore` fills the book with the last known ticks of an underlying and returns how many instruments it found.

    A stream that cannot be read is paused; the others are read.
    """

    def __init__(self, client: Redis, book: Book, restore: Callable[[str], int]) -> None:
        self.client = client
        self.book = book
        self.restore = restore
        self.paused = PausedStreams()
        self.positions: dict[str, str] = {}  # by stream: the newest entry read

    def read(self, owned: Iterable[str]) -> list[StreamEntry]:
        """Return new entries of the indices that the chains of the `owned` streams need."""
        owned = set(owned)
        chains = (self.book.underlyings.get(underlying_of(stream)) for stream in owned)
        indices = {chain.terms.volatility_index_key for chain in chains if chain}
        wanted = {tick_stream(key.rpartition("@")[0]) for key in indices if key} - owned
        for stream in sorted(wanted - self.positions.keys() - self.paused.at(time.monotonic())):
            if not succeeds(f"restoring the last state of {stream}", partial(self._begin, stream)):
                self._pause(stream)
        for stream in self.positions.keys() - wanted:
            del self.positions[stream]
        entries, failed = tail(self.client, self.positions)
        for stream in self.positions.keys() - failed.keys():
            self.paused.succeeded(stream)
        for stream, error in failed.items():
            metrics.errors.labels("stream").inc()
            logger.error("%s cannot be heard: %s", stream, error)
            del self.positions[stream]
            self._pause(stream)
        return entries

    def _begin(self, stream: str) -> None:
        begun = self.client.time()[0] - AGAIN_SECONDS
        restored = self.restore(underlying_of(stream))
        self.positions[stream] = f"{int(begun * 1000)}-0"
        logger.info("hearing %s: %d instruments restored", stream, restored)

    def _pause(self, stream: str) -> None:
        seconds = self.paused.pause(stream, time.monotonic())
        logger.error("%s is put aside for %.0f s, and not heard meanwhile", stream, seconds)
