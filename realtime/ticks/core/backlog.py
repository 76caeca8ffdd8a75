"""What a repricing tells, in portions: a whole chain at once would keep the ticks behind it waiting at every socket."""

from collections.abc import Mapping

PORTION = 32  # topics
SHARE = 8  # of what waits, at least one in so many goes with each batch: however much it is, it comes to its end

Topics = Mapping[str, Mapping[str, bytes]]  # states by underlying, by topic
Portion = Mapping[tuple[str, str], bytes]  # states by underlying and topic


class Backlog:
    """States that wait, the oldest first; a newer one of a topic takes its place."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], bytes] = {}  # by underlying and topic

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, topics: Topics) -> None:
        for underlying, states in topics.items():
            for topic, state in states.items():
                self._waiting[underlying, topic] = state

    def move_into(self, topics: dict[str, dict[str, bytes]], ticks: int) -> Portion:
        """Add the next portion to what a batch of so many ticks tells."""
        self.supersede(topics)
        count = max(PORTION, 2 * ticks, len(self._waiting) // SHARE)
        portion = {key: self._waiting.pop(key) for key in list(self._waiting)[:count]}
        for (underlying, topic), state in portion.items():
            topics.setdefault(underlying, {})[topic] = state
        return portion

    def supersede(self, topics: Topics) -> None:
        """What a batch tells itself is newer than what waits."""
        for underlying, states in topics.items():
            for topic in states:
                self._waiting.pop((underlying, topic), None)

    def put_back(self, portion: Portion) -> None:
        """A portion that was not told waits again, before all others; a newer state that came meanwhile stays."""
        self._waiting = {**portion, **self._waiting}

    def forget(self, underlying: str) -> None:
        for key in [key for key in self._waiting if key[0] == underlying]:
            del self._waiting[key]

    def clear(self) -> None:
        self._waiting.clear()
