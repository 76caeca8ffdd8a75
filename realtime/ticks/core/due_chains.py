"""When each chain is due for its evaluation: a heap of moments, so that asking costs nothing at many chains. Pure."""

import math
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from realtime.ticks.core.book import Book, UnderlyingBook


class DueChains:
    """The chains of a book that have ticked, and when the interval of each is over.

    `interval`: seconds between evaluations of a chain that ticks. `smile_interval`: seconds between states of its
    smiles. The heap may have more than one moment of a chain, and one that no longer holds: what is on top is looked at
    again before it counts.
    """

    def __init__(self, book: Book, *, interval: float, smile_interval: float) -> None:
        self.book = book
        self.interval = interval
        self.smile_interval = smile_interval
        self.evaluated_at: dict[str, float] = {}  # by underlying
        self.smiled_at: dict[str, float] = {}
        self.unsmiled: set[str] = set()  # underlyings that were evaluated since their smiles were last published
        self._heap: list[tuple[float, str]] = []
        self._queued: dict[str, float] = {}  # the earliest moment in the heap, by underlying
        self._asked_at = -math.inf

    def due_in(self, now: float) -> float:
        """Return the seconds until the next chain is due: 0 if one is due, infinity if none has ticked."""
        self._look(now)
        return max(self._heap[0][0] - now, 0.0) if self._settle(now) else math.inf

    def take(self, now: float) -> list[UnderlyingBook]:
        """Return the chains that are due, those that have waited longest first. They are no longer in the heap."""
        self._look(now)
        due: list[UnderlyingBook] = []
        while self._settle(now) and self._heap[0][0] <= now:
            due.append(self.book.underlyings[self._pop()])
        due.sort(key=lambda chain: (self.evaluated_at.get(chain.underlying, -math.inf), chain.underlying))
        return due

    def put_back(self, underlyings: Iterable[str], now: float) -> None:
        """Look at chains again: something about them has changed."""
        for underlying in underlyings:
            if (chain := self.book.underlyings.get(underlying)) is not None:
                self._push(self._moment(chain, now), underlying)

    def forget(self, underlying: str) -> None:
        self.evaluated_at.pop(underlying, None)
        self.smiled_at.pop(underlying, None)
        self.unsmiled.discard(underlying)

    def smiles_are(self, underlying: str, now: float) -> bool:
        """Return whether the chain's smiles are due."""
        return self._over_at(self.smiled_at, self.smile_interval, underlying, now) <= now

    def _look(self, now: float) -> None:
        """Take in what has ticked since the last call. After the clock was set back, look at all chains."""
        if now < self._asked_at:
            self._heap = [(self._moment(chain, now), name) for name, chain in self.book.underlyings.items()]
            self._heap = [each for each in self._heap if each[0] < math.inf]
            heapify(self._heap)
            self._queued = {name: moment for moment, name in self._heap}
        self._asked_at = now
        if self.book.stirred:
            self.put_back(self.book.stirred, now)
            self.book.stirred.clear()

    def _settle(self, now: float) -> bool:
        """Bring a moment that holds to the top. Return whether there is one."""
        while self._heap:
            moment, underlying = self._heap[0]
            if self._queued.get(underlying) != moment:  # an earlier one stood for it, and has gone
                heappop(self._heap)
                continue
            chain = self.book.underlyings.get(underlying)
            actual = math.inf if chain is None else self._moment(chain, now)
            if moment == actual:
                return True
            self._pop()
            self._push(actual, underlying)
        return False

    def _moment(self, chain: UnderlyingBook, now: float) -> float:
        """Return when the chain is due, infinity if nothing has happened to it, minus infinity if it never was."""
        moment = math.inf
        if not chain.expiries:
            return moment
        if chain.ticked:
            moment = self._over_at(self.evaluated_at, self.interval, chain.underlying, now)
        if chain.underlying in self.unsmiled:
            moment = min(moment, self._over_at(self.smiled_at, self.smile_interval, chain.underlying, now))
        return moment

    @staticmethod
    def _over_at(at: dict[str, float], interval: float, underlying: str, now: float) -> float:
        begun = at.get(underlying, -math.inf)
        return begun + interval if begun <= now else -math.inf  # the clock was set back: due at once

    def _push(self, moment: float, underlying: str) -> None:
        if moment < self._queued.get(underlying, math.inf):
            self._queued[underlying] = moment
            heappush(self._heap, (moment, underlying))

    def _pop(self) -> str:
        _, underlying = heappop(self._heap)
        del self._queued[underlying]
        return underlying
