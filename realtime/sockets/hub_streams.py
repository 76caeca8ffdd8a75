"""The streams that a hub reads: their topics and wildcards, and the sockets that want each."""

from collections.abc import Iterator, Mapping

from realtime.core.entry_ids import parse_id
from realtime.sockets.core.frames import BEGINNING, Frame
from realtime.sockets.session import Session
from realtime.sockets.topics import Feed


class Audience:
    """The sockets that want a topic or a wildcard, by cadence."""

    __slots__ = ("paced", "raw")

    def __init__(self) -> None:
        self.raw: set[Session] = set()
        self.paced: dict[str, set[Session]] = {}

    def __bool__(self) -> bool:
        return bool(self.raw or self.paced)

    def add(self, session: Session, cadence: str) -> None:
        (self.raw if cadence == "raw" else self.paced.setdefault(cadence, set())).add(session)

    def remove(self, session: Session, cadence: str) -> None:
        if cadence == "raw":
            self.raw.discard(session)
        elif cadence in self.paced:
            self.paced[cadence].discard(session)
            if not self.paced[cadence]:
                del self.paced[cadence]

    def sessions(self) -> Iterator[Session]:
        yield from self.raw
        for paced in self.paced.values():
            yield from paced


class Topic:
    """A topic's newest state, and the audiences of a new one."""

    __slots__ = ("audiences", "frame", "name", "own")

    def __init__(self, name: str) -> None:
        self.name = name
        self.frame: Frame | None = None
        self.own = Audience()
        self.audiences: list[Audience] = [self.own]  # and those of the wildcards that match it


class Stream:
    """One stream: its position, its topics and their audiences."""

    def __init__(self, feed: Feed) -> None:
        self.name = feed.stream
        self.hashes = feed.hashes
        self.position = BEGINNING  # read up to here
        self.anchor = BEGINNING  # the position at the last check for gaps
        self.added = 0  # entries ever added by then
        self.behind = False  # the last read left entries for the next one
        self.pins = 0  # subscriptions about to begin, and live reads
        self.idle_since: float | None = None
        self.topics: dict[bytes, Topic] = {}
        self.wildcards: dict[str, Audience] = {}  # by prefix

    def topic(self, name: bytes) -> Topic:
        """Return the topic. A new one joins the wildcards that match it."""
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = Topic(name.decode(errors="replace"))
            found.audiences += [each for prefix, each in self.wildcards.items() if found.name.startswith(prefix)]
        return found

    def audience(self, topic: str, feed: Feed) -> Audience:
        if not feed.wildcard:
            return self.topic(topic.encode()).own
        if feed.prefix not in self.wildcards:
            audience = self.wildcards[feed.prefix] = Audience()
            for each in self.matching(feed.prefix):
                each.audiences.append(audience)
        return self.wildcards[feed.prefix]

    def matching(self, prefix: str) -> list[Topic]:
        return [topic for topic in self.topics.values() if topic.name.startswith(prefix)]

    def release(self, topic: str, feed: Feed) -> None:
        """Drop what nobody wants: a wildcard, or a topic without a state."""
        if feed.wildcard:
            audience = self.wildcards[feed.prefix]
            if not audience:
                del self.wildcards[feed.prefix]
                for each in self.matching(feed.prefix):
                    each.audiences.remove(audience)
        elif (found := self.topics.get(topic.encode())) and found.frame is None and not any(found.audiences):
            del self.topics[topic.encode()]

    def forget_before(self, first: str) -> None:
        """Drop topics that nobody wants and whose entry is trimmed, unless a hash keeps the newest states."""
        if self.hashes is None:
            oldest = parse_id(first)
            for name, topic in list(self.topics.items()):
                if not any(topic.audiences) and (topic.frame is None or parse_id(topic.frame.seq or "0") < oldest):
                    del self.topics[name]

    def states(self) -> dict[bytes, Frame]:
        return {name: topic.frame for name, topic in self.topics.items() if topic.frame is not None}

    def forget(self, states: Mapping[bytes, Frame]) -> None:
        """Drop states, unless a newer one has replaced them."""
        for name, frame in states.items():
            topic = self.topics.get(name)
            if topic is not None and topic.frame is frame:
                topic.frame = None
                if not any(topic.audiences):
                    del self.topics[name]

    @property
    def wanted(self) -> bool:
        return bool(self.pins or self.wildcards) or any(topic.own for topic in self.topics.values())
