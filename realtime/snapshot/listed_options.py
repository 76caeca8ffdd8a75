"""The live options of each underlying, parsed once until the list changes."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import date

from realtime.snapshot.core.chain_request import options_by_expiry
from timeframes.core.keys import Right

Options = dict[date, dict[float, dict[Right, str]]]

MOST_TOPICS = 200_000  # of all underlyings together, about 60 MB


class ListedOptions:
    """A cache: parsing a long chain takes milliseconds.

    The limit counts topics, not underlyings, because some underlyings have thousands of options and some a few.
    """

    def __init__(self, most_topics: int = MOST_TOPICS) -> None:
        self._most_topics, self._topics = most_topics, 0
        self._kept: OrderedDict[str, tuple[Sequence[bytes], Options]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, underlying: str, topics: Sequence[bytes]) -> Options:
        """Return an underlying's options. `topics`: in Redis' order, which stays the same while the set does."""
        kept = self._kept.get(underlying)
        if kept is not None and kept[0] == topics:
            with self._lock:
                if underlying in self._kept:
                    self._kept.move_to_end(underlying)
            return kept[1]
        found = options_by_expiry(topic.decode(errors="replace") for topic in topics)
        with self._lock:
            before = self._kept.pop(underlying, None)
            self._topics += len(topics) - (len(before[0]) if before else 0)
            if topics:
                self._kept[underlying] = topics, found
            while self._topics > self._most_topics:
                _, (dropped, _) = self._kept.popitem(last=False)
                self._topics -= len(dropped)
        return found
