"""Publish a repricing in portions: a whole chain at once would delay the ticks behind it at every socket."""

from collections.abc import Mapping

PORTION = 32  # topics
SHARE = 8  # each batch takes at least 1/8 of the backlog, so that a long one drains too

Topics = Mapping[str, Mapping[str, bytes]]  # states by underlying, by topic
Portion = Mapping[tuple[str, str], bytes]  # states by underlying and topic


class Backlog:
    """Waiting states, the oldest first. A newer state of a topic replaces the older one in its place."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], bytes] = {}  # by underlying and topic

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, topics: Topics) -> None:
        for underlying, states in topics.items():
            for topic, state in states.items():
                self._waiting[underlying, topic] = state

    def move_into(self, topics: dict[str, dict[str, bytes]], ticks: int) -> Portion:
        """Move the next portion into the states that a batch of so many ticks publishes."""
        self.supersede(topics)
        count = max(PORTION, 2 * ticks, len(self._waiting) // SHARE)
        portion = {key: self._waiting.pop(key) for key in list(self._waiting)[:count]}
        for (underlying, topic), state in portion.items():
            topics.setdefault(underlying, {})[topic] = state
        return portion

    def supersede(self, topics: Topics) -> None:
        """Drop waiting states of topics for which a batch has newer ones."""
        for underlying, states in topics.items():
            for topic in states:
                self._waiting.pop((underlying, topic), None)

    def put_back(self, portion: Portion) -> None:
        """Put an unpublished portion back at the front. A newer state that arrived meanwhile stays."""
        self._waiting = {**portion, **self._waiting}

    def forget(self, underlying: str) -> None:
        for key in [key for key in self._waiting if key[0] == underlying]:
            del self._waiting[key]

    def clear(self) -> None:
        self._waiting.clear()
