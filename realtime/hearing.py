"""Volatility indices whose streams others own are heard too: every chain needs them."""

import logging
from collections.abc import Callable, Iterable

from realtime.core.book import Book
from realtime.streams import Redis, StreamEntry, tail
from timeframes.core.tick_stream import tick_stream, underlying_of

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0  # before the moment at which we begin to listen


class Hearing:
    """`restore`: fills the book with what was last known of an underlying, and says how many instruments that were."""

    def __init__(self, client: Redis, book: Book, restore: Callable[[str], int]) -> None:
        self.client = client
        self.book = book
        self.restore = restore
        self.positions: dict[str, str] = {}  # by stream: the newest entry heard

    def read(self, owned: Iterable[str]) -> list[StreamEntry]:
        """New entries of the indices' streams that the chains of the `owned` ones need."""
        owned = set(owned)
        chains = (self.book.chains.get(underlying_of(stream)) for stream in owned)
        indices = {chain.terms.volatility_index_key for chain in chains if chain}
        wanted = {tick_stream(key.rpartition("@")[0]) for key in indices if key} - owned
        for stream in wanted - self.positions.keys():
            now = self.client.time()[0]
            self.positions[stream] = f"{int((now - AGAIN_SECONDS) * 1000)}-0"
            restored = self.restore(underlying_of(stream))
            logger.info("hearing %s: %d instruments restored", stream, restored)
        for stream in self.positions.keys() - wanted:
            del self.positions[stream]
        return tail(self.client, self.positions)
