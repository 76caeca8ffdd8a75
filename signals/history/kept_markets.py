"""Markets around the bars of an expiry, kept in the memory of a process.

One option's page needs the bars of its whole chain, since strikes give the forward. Whoever reads a chain's options one
after the other would read and fold the chain for each. What is kept is checked against `timeframes.bars.changes` at
each use, so it is never older than the tables.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from prometheus_client import Counter

from signals.history.core.block import ExpiryMarkets
from timeframes.bars.changes import Basis, Moment, current_moment, unchanged

WAIT_SECONDS = 3.0
MARKETS = Counter(
    "signal_service_history_markets", "Markets of an expiry that a page of historical Greeks asked for.", ["result"]
)


@dataclass(frozen=True, slots=True)
class Around:
    """What markets are made of: `terms`, a digest of all but bars; and bars of `keys` from `first` to `last`,
    microseconds since 1970, both included."""

    terms: str
    keys: tuple[str, ...]
    first: int
    last: int

    def bases(self, moment: Moment) -> list[Basis]:
        return [Basis(key, self.first, self.last, moment) for key in self.keys]


@dataclass(frozen=True, slots=True)
class _Kept:
    markets: ExpiryMarkets
    moment: Moment


class KeptMarkets:
    """The last `most` that were used. A day of minutes of one expiry takes about 4 MB."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[Around, _Kept] = OrderedDict()
        self._making: dict[Around, Lock] = {}

    def find(self, around: Around, make: Callable[[], ExpiryMarkets]) -> ExpiryMarkets:
        """Return the markets, from `make` where none are kept that still hold. Who asks meanwhile waits for these."""
        if (found := self._still_kept(around)) is not None:
            return found
        with self._lock:
            making = self._making.setdefault(around, Lock())
        first = making.acquire(timeout=WAIT_SECONDS)  # after that it is no use to wait: each makes its own
        try:
            return self._still_kept(around) or self._make(around, make)
        finally:
            if first:
                making.release()
            with self._lock:
                self._making.pop(around, None)

    def _still_kept(self, around: Around) -> ExpiryMarkets | None:
        with self._lock:
            kept = self._kept.get(around)
        if kept is None or (moment := _still(around.bases(kept.moment))) is None:
            return None
        self._keep(around, replace(kept, moment=moment))
        MARKETS.labels("kept").inc()
        return kept.markets

    def _make(self, around: Around, make: Callable[[], ExpiryMarkets]) -> ExpiryMarkets:
        before = current_moment()  # what changes while the bars are read is not seen by it
        markets = make()
        MARKETS.labels("made").inc()
        if before is not None:
            self._keep(around, _Kept(markets, before))
        return markets

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _keep(self, around: Around, kept: _Kept) -> None:
        with self._lock:
            self._kept[around] = kept
            self._kept.move_to_end(around)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _still(bases: Sequence[Basis]) -> Moment | None:
    """Return the moment as of which all of these are unchanged, None if one has changed."""
    moments = unchanged(bases)
    return None if None in moments else moments[0]


OF_PAGES = KeptMarkets(8)
"""Those of the answers that read one option after the other."""
