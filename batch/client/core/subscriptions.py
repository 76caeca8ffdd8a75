"""What a feed subscribes to and how far it has come in each topic, so that a new connection continues there."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .events import Event, Gap, Heartbeat, Notice, Refused, Snapshot, Update
from .service import as_json

TOPICS_AT_ONCE = 100  # a message of theirs stays below the service's limit
REORDERED_MS = 10_000  # how much older than the newest update of a wildcard another of its topics may wait to be sent

Position = tuple[int, int]  # an entry ID: milliseconds, number


class _Subscription:
    def __init__(self, topic: str, cadence: str, resume_from: str | None) -> None:
        self.topic = topic
        self.cadence = cadence
        self.start = None if resume_from is None else position(resume_from)  # nothing before it is missing
        self.newest = self.start
        self.updated = self.start is not None
        self.replays = resume_from is not None  # its first request has no answer yet
        self.request = 0  # the newest that asks for it

    @property
    def wildcard(self) -> bool:
        return self.topic.endswith("*")

    def covers(self, topic: str) -> bool:
        return topic.startswith(self.topic[:-1]) if self.wildcard else topic == self.topic

    def saw(self, seq: Position, *, update: bool) -> None:
        """Snapshots are sent before updates: the first update says that all snapshots have come."""
        if not self.updated:
            self.start = max(self.start or seq, seq) if not update else (self.start or seq)
        self.updated |= update
        self.newest = max(self.newest or seq, seq)

    def resume_from(self) -> str | None:
        """Return the entry after which something may be missing; None where only a snapshot tells.

        The topics of a wildcard do not come in the order of their entries, where the connection is slow.
        """
        if self.newest is None or self.start is None:
            return None
        if not self.wildcard:
            return seq_of(self.newest)
        return seq_of(max(self.start, (self.newest[0] - REORDERED_MS, 0))) if self.updated else None


class Subscriptions:
    """Knows no connection: it writes messages and reads them. Any thread may call its methods."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held by the public methods
        self._wanted: dict[str, _Subscription] = {}
        self._seen: dict[str, Position] = {}  # the newest entry of each topic that came
        self._asked: dict[Any, tuple[str, ...]] = {}  # topics of requests without an answer
        self._number = 0
        self._again: set[str] = set()
        self._wild: list[_Subscription] | None = None  # the wildcards among those wanted; None: to be looked up

    def add(
        self, topics: Iterable[str], *, cadence: str = "raw", resume_from: str | Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the messages that subscribe to these topics."""
        names = list(dict.fromkeys(topics))
        points = resume_from if isinstance(resume_from, Mapping) else dict.fromkeys(names, resume_from)
        new = {name: _Subscription(name, cadence, points.get(name)) for name in names}
        with self._lock:
            self._wild = None
            for name, each in new.items():
                if each.replays or name not in self._wanted:
                    self._wanted[name] = each
                else:
                    self._wanted[name].cadence = cadence
            return self._subscribe([self._wanted[name] for name in names])

    def remove(self, topics: Iterable[str]) -> list[str]:
        """Return the messages that end the subscriptions to these topics."""
        names = list(dict.fromkeys(topics))
        with self._lock:
            for name in names:
                if (gone := self._wanted.pop(name, None)) is not None:
                    self._forget(gone)
            return [
                self._message("unsubscribe", part, {"topics": part})
                for part in (names[start : start + TOPICS_AT_ONCE] for start in range(0, len(names), TOPICS_AT_ONCE))
            ]

    @property
    def waiting(self) -> bool:
        """Some topics could not be served for the moment."""
        with self._lock:
            return bool(self._again)

    def opening(self) -> list[str]:
        """Return the messages for a new connection. Each topic continues where it broke off."""
        with self._lock:
            self._asked.clear()
            self._again.clear()
            for each in self._wanted.values():
                self._begin_replay(each)
            return self._subscribe(list(self._wanted.values()))

    def again(self) -> list[str]:
        """Return the messages for the topics that the service could not serve for the moment."""
        with self._lock:
            wanted = [self._wanted[name] for name in self._again if name in self._wanted]
            self._again.clear()
            return self._subscribe(wanted)

    def resume_points(self) -> dict[str, str]:
        """Return each subscription with the entry to resume from, such as to keep over a restart of the program."""
        with self._lock:
            points = [(name, each.resume_from()) for name, each in self._wanted.items()]
        return {name: point for name, point in points if point is not None}

    def read(self, message: Mapping[str, Any]) -> list[Event]:
        """Return the events of a message of the service. A state that came before is left out."""
        with self._lock:
            return list(self._events(message))

    def _events(self, message: Mapping[str, Any]) -> Iterator[Event]:
        kind = message.get("type")
        if kind in ("update", "snapshot"):
            yield from self._state(message, update=kind == "update")
        elif kind == "ack":
            yield from self._outcomes(message)
        elif kind == "gap":
            yield from self._gap(message)
        elif kind == "heartbeat":
            yield Heartbeat(*(message.get(name) for name in ("at", "sent", "conflated", "dropped", "lag_ms")))  # type: ignore[arg-type]
        elif kind == "notice":
            yield Notice(message["subject"], message["text"], message["at"])
        elif kind == "error":
            asked = self._asked.pop(message.get("id"), ())
            for topic in asked:
                yield from self._refuse(topic, message["code"], message["detail"])

    def _state(self, message: Mapping[str, Any], *, update: bool) -> Iterator[Event]:
        topic, seq = message["topic"], message["seq"]
        covering = [each for each in self._wildcards() if each.covers(topic)]
        if (exact := self._wanted.get(topic)) is not None:
            covering.append(exact)
        covering = [each for each in covering if not each.replays]
        if not covering:
            return  # of a subscription that has ended meanwhile, or before a replay that has it again
        if seq is not None:
            at = position(seq)
            for each in covering:
                each.saw(at, update=update)
            if at <= self._seen.get(topic, (-1, 0)):
                return
            self._seen[topic] = at
        if update:
            yield Update(topic, seq, message["prev"], message["data"])
        else:
            yield Snapshot(topic, seq, message["data"])

    def _wildcards(self) -> list[_Subscription]:
        if self._wild is None:
            self._wild = [each for each in self._wanted.values() if each.wildcard]
        return self._wild

    def _gap(self, message: Mapping[str, Any]) -> Iterator[Event]:
        topic = message["topic"]
        if (known := self._wanted.get(topic)) is not None and not known.replays:
            self._forget(known)  # the snapshot that follows counts, whatever its entry
            self._wanted[topic] = _Subscription(topic, known.cadence, None)
        yield Gap(topic, message["reason"], message["since"])

    def _outcomes(self, message: Mapping[str, Any]) -> Iterator[Event]:
        asked = self._asked.pop(message["id"], ())
        if message["request"] != "subscribe":
            return
        for name, item in zip(asked, message["items"], strict=False):
            if not item["ok"]:
                yield from self._refuse(name, item["code"], item["detail"])
            elif (known := self._wanted.get(name)) is not None:
                if item["topic"] != name:  # the service knows it by its whole name
                    known.topic = item["topic"]
                    self._wild = None
                    self._wanted[known.topic] = self._wanted.pop(name)
                if known.request == message["id"]:
                    self._begin_replay(known)

    def _refuse(self, topic: str, code: str, detail: str) -> Iterator[Event]:
        if code == "unavailable":
            self._again.add(topic)
        elif (gone := self._wanted.pop(topic, None)) is not None:
            self._forget(gone)
            yield Refused(topic, code, detail)

    def _begin_replay(self, subscription: _Subscription) -> None:
        """What comes from now on comes after the entry that the user named."""
        if subscription.replays:
            subscription.replays = False
            self._forget(subscription)

    def _forget(self, subscription: _Subscription) -> None:
        self._wild = None
        for topic in [each for each in self._seen if subscription.covers(each)]:
            del self._seen[topic]

    def _subscribe(self, wanted: list[_Subscription]) -> list[str]:
        messages = []
        for cadence in dict.fromkeys(each.cadence for each in wanted):
            chosen = [each for each in wanted if each.cadence == cadence]
            for start in range(0, len(chosen), TOPICS_AT_ONCE):
                part = chosen[start : start + TOPICS_AT_ONCE]
                points = {each.topic: point for each in part if (point := each.resume_from()) is not None}
                topics = [each.topic for each in part]
                body = {"topics": topics, "cadence": cadence} | ({"resume_from": points} if points else {})
                messages.append(self._message("subscribe", topics, body))
                for each in part:
                    each.request = self._number
        return messages

    def _message(self, type_: str, topics: list[str], body: Mapping[str, Any]) -> str:
        self._number += 1
        self._asked[self._number] = tuple(topics)
        return as_json({"type": type_, "id": self._number, **body})


def position(seq: str) -> Position:
    milliseconds, dash, number = seq.partition("-")
    if not (dash and milliseconds.isascii() and milliseconds.isdigit() and number.isascii() and number.isdigit()):
        raise ValueError(f"resume_from: {seq!r} is not an entry ID such as 1767000000000-0")
    return int(milliseconds), int(number)


def seq_of(at: Position) -> str:
    return f"{at[0]}-{at[1]}"
