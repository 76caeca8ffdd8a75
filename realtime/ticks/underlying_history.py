"""What is read of an underlying before its ticks: its terms and rules, its last known state, its open minutes."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.ticks.chain_evaluations import ChainEvaluations
from realtime.ticks.contracts import load_terms
from realtime.ticks.core.book import Book
from realtime.ticks.options import Options
from realtime.ticks.restore import restore_underlying
from signals.instruments.selectors import recent_instruments


class UnderlyingHistory:
    """`clock` returns seconds since 1970. A back-test has a time of its own, and reads nothing by the clock."""

    def __init__(
        self,
        client: Redis,
        book: Book,
        evaluations: ChainEvaluations,
        names: Names,
        *,
        options: Options,
        clock: Callable[[], float],
    ) -> None:
        self.client = client
        self.book = book
        self.evaluations = evaluations
        self.names = names
        self.options = options
        self.clock = clock

    def read_terms(self, underlyings: Collection[str]) -> None:
        for known, terms in load_terms(underlyings, None if self.options.own_time else self.clock()).items():
            self.book.add_underlying(known, terms)
        self.evaluations.read_rules(underlyings)

    def restore(self, underlying: str) -> int:
        """Fill the book with the last known ticks, and return of how many instruments."""
        as_of = None if self.options.own_time else datetime.fromtimestamp(self.clock(), UTC)
        register = self.options.register
        restored = restore_underlying(self.client, self.book, self.names, underlying, register=register, as_of=as_of)
        self.evaluations.beat.hold(restored.atm_strikes)
        return restored.instruments

    def recent_instruments(self, underlying: str) -> list[str]:
        """Return the instruments whose last minute may still have to be closed; none in a back-test."""
        if self.options.own_time or not self.options.bars:
            return []
        return recent_instruments(underlying, datetime.fromtimestamp(self.clock(), UTC))
